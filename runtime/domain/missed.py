"""Which event an order still waits for, though it was published long ago; pure.

A record can be lost between the broker and a ledger: a topic truncated, a group's offsets reset
forward. The outbox still has it, and every consumer drops what it knows, so publishing it again is
safe. This is the relation of who must have heard what.
"""

from __future__ import annotations

from typing import Final, assert_never
from uuid import NAMESPACE_OID, uuid5

from runtime.domain.names import EventId, EventType, OrderStatus, PaymentState

EVENT_MISSING: Final = "event_missing"
"""Why an order is cancelled whose OrderPlaced was never written: nobody can ever charge it."""

# States in which a payment goes on as if its order still wanted it.
_UNAWARE: Final = frozenset(
    {
        PaymentState.PENDING,
        PaymentState.CHARGING,
        PaymentState.PROCESSING,
        PaymentState.UNKNOWN,
        PaymentState.PARKED,
        PaymentState.SUCCEEDED,
    }
)


def events_missed(
    order: OrderStatus, payment: PaymentState | None, *, cancel_known: bool
) -> tuple[EventType, ...]:
    """The events whose consequence is missing, given that none of them is on its way.

    Args:
        cancel_known: the payment has heard that its order is cancelled.
    """
    match order:
        case OrderStatus.PENDING:
            return _pending_misses(payment)
        case OrderStatus.CANCELLED:
            # Without a payment, too: the cancellation leaves the tombstone that its order will
            # find.
            if payment is None or (payment in _UNAWARE and not cancel_known):
                return (EventType.ORDER_CANCELLED,)
            return (EventType.PAYMENT_REFUNDED,) if payment is PaymentState.REFUNDED else ()
        case OrderStatus.PAID | OrderStatus.REFUNDED:
            return ()
    assert_never(order)


def _pending_misses(payment: PaymentState | None) -> tuple[EventType, ...]:
    match payment:
        case None:
            return (EventType.ORDER_PLACED,)
        case PaymentState.SUCCEEDED:
            return (EventType.PAYMENT_COMPLETED,)
        case PaymentState.FAILED:
            return (EventType.PAYMENT_FAILED,)
        case PaymentState.REFUNDING | PaymentState.REFUNDED:
            # A late success was announced as a failure; only one of the two was ever written.
            return (EventType.PAYMENT_COMPLETED, EventType.PAYMENT_FAILED)
        case _:
            return ()


def root_of_order(order_id: str) -> EventId:
    """The root for the events of an order that never had one of its own."""
    return EventId(uuid5(NAMESPACE_OID, f"bookpay-order:{order_id}"))
