"""An order's states and what each event does to it.

Orders go pending -> paid | cancelled, paid -> cancelled (by the customer) and cancelled ->
refunded. A payment's success for a cancelled order and its failure for a paid one change nothing
here: the payment side gives the money back. An event about other money than the order's is no
news of this order at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from runtime.domain.money import Money
from runtime.domain.names import OrderStatus


class OrderEvent(Enum):
    PAYMENT_COMPLETED = auto()
    PAYMENT_FAILED = auto()
    PAYMENT_REFUNDED = auto()
    CUSTOMER_CANCELLED = auto()


class Stock(Enum):
    """What happens to the order's reservations."""

    KEEP = auto()
    SELL = auto()
    RELEASE = auto()


@dataclass(frozen=True, slots=True)
class OrderStep:
    """The new status and the stock movement; `None` as a step means the event changes nothing."""

    status: OrderStatus
    stock: Stock


@dataclass(frozen=True, slots=True)
class AmountMismatch:
    """A payment's event names other money than the order's total: it must change nothing."""

    total: Money
    named: Money


def next_order_step(status: OrderStatus, event: OrderEvent) -> OrderStep | None:
    """The whole relation; anything not in it changes nothing."""
    match event:
        case OrderEvent.PAYMENT_COMPLETED:
            return (
                OrderStep(OrderStatus.PAID, Stock.SELL) if status is OrderStatus.PENDING else None
            )
        # A payment that fails for a paid or an ended order has nothing left to take back here.
        case OrderEvent.PAYMENT_FAILED:
            return (
                OrderStep(OrderStatus.CANCELLED, Stock.RELEASE)
                if status is OrderStatus.PENDING
                else None
            )
        case OrderEvent.CUSTOMER_CANCELLED:
            return (
                OrderStep(OrderStatus.CANCELLED, Stock.RELEASE)
                if status in (OrderStatus.PENDING, OrderStatus.PAID)
                else None
            )
        # Only what was cancelled first: money that goes back for a paid order is not this saga's
        # doing.
        case OrderEvent.PAYMENT_REFUNDED:
            return (
                OrderStep(OrderStatus.REFUNDED, Stock.KEEP)
                if status is OrderStatus.CANCELLED
                else None
            )
    assert_never(event)


def order_path(
    status: OrderStatus, total: Money, event: OrderEvent, named: Money
) -> tuple[tuple[OrderEvent, OrderStep], ...] | AmountMismatch:
    """Decide what a payment's event makes of an order.

    Args:
        named: the money that the event speaks of.

    Returns:
        The steps to take in this order, each with the event it belongs to; empty when the event
        changes nothing.
    """
    # Before anything else, a repeat included: whoever wrote this event had another order, or
    # another charge, in mind.
    if named != total:
        return AmountMismatch(total, named)
    events = [event]
    if event is OrderEvent.PAYMENT_REFUNDED and status is OrderStatus.PENDING:
        # The refund of a late success overtook the failure, which is on another topic: take the
        # step that the failure would have taken first.
        events.insert(0, OrderEvent.PAYMENT_FAILED)
    path = []
    for taken in events:
        step = next_order_step(status, taken)
        if step is not None:
            path.append((taken, step))
            status = step.status
    return tuple(path)
