"""Events that had no consequence are published again: `payments_reconciler/missed_events.py`."""

from __future__ import annotations

from dataclasses import replace

from bookpayctl.simulation.settings import EVENT_WINDOW_SECONDS, REPUBLISHED_MAX
from bookpayctl.simulation.steps.outbox import derived
from bookpayctl.simulation.store import (
    ORDERS,
    OUTBOX,
    PAYMENTS,
    TOLD_AGAIN,
    OrderRow,
    PaymentRow,
    Transaction,
)
from bookpayctl.simulation.world import World
from runtime.domain.names import EventType, OrderStatus, PaymentState

_ENDED = frozenset(
    {PaymentState.SUCCEEDED, PaymentState.FAILED, PaymentState.REFUNDING, PaymentState.REFUNDED}
)
_HEARD = frozenset({PaymentState.FAILED, PaymentState.REFUNDING})


def tell_again(world: World, who: str) -> int:
    """`MissedEvents.look`: how many events go out again."""
    orders, payments = world.store.table(ORDERS), world.store.table(PAYMENTS)
    before = world.now - EVENT_WINDOW_SECONDS
    waiting = [
        order
        for order in orders.values()
        if order.updated_at < before and _waits(order, payments.get(order.event_id))
    ]
    return sum(_close(world, who, order, payments.get(order.event_id)) for order in waiting)


def _waits(order: OrderRow, payment: PaymentRow | None) -> bool:
    """`store.missed`, what its two statements ask for."""
    if order.status is OrderStatus.PENDING:
        return payment is None or payment.payment.state in _ENDED
    if order.status is not OrderStatus.CANCELLED:
        return False
    if payment is None or payment.payment.state is PaymentState.REFUNDED:
        return True
    return not payment.payment.cancel_requested and payment.payment.state not in _HEARD


def _close(world: World, who: str, order: OrderRow, payment: PaymentRow | None) -> int:
    wanted = world.decisions.events_missed(
        order.status,
        payment.payment.state if payment else None,
        cancel_known=payment is not None and payment.payment.cancel_requested,
    )
    ids = [
        order.event_id if kind is EventType.ORDER_PLACED else derived(order.event_id, kind)
        for kind in wanted
    ]
    return world.transact(lambda tx: sum(_republish(world, tx, who, event_id) for event_id in ids))


def _republish(world: World, tx: Transaction, who: str, event_id: str) -> bool:
    """`store.missed._REPUBLISH`: the mark is taken back, a few times, with doubling waits."""
    row = tx.get(OUTBOX, event_id)
    times = tx.get(TOLD_AGAIN, event_id) or 0
    if row is None or row.published_at is None or times >= REPUBLISHED_MAX:
        return False
    if row.published_at > world.now - EVENT_WINDOW_SECONDS * 2**times:
        return False
    world.count("an event told again")
    world.note(who, row.order_id, f"publishes {row.event_type} again")
    tx.put(TOLD_AGAIN, event_id, times + 1)
    tx.put(OUTBOX, event_id, replace(row, published_at=None))
    return True
