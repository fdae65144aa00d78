"""An order's states and what each event does to it.

Orders go pending -> paid | cancelled, paid -> cancelled (by the customer) and cancelled ->
refunded. A payment's success for a cancelled order and its failure for a paid one change nothing
here: the payment side gives the money back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

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


def next_order_step(status: OrderStatus, event: OrderEvent) -> OrderStep | None:
    """The whole relation; anything not in it changes nothing."""
    match event:
        case OrderEvent.PAYMENT_COMPLETED:
            return (
                OrderStep(OrderStatus.PAID, Stock.SELL) if status is OrderStatus.PENDING else None
            )
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
        case OrderEvent.PAYMENT_REFUNDED:
            return (
                OrderStep(OrderStatus.REFUNDED, Stock.KEEP)
                if status is OrderStatus.CANCELLED
                else None
            )
    assert_never(event)
