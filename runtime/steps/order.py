"""One step of an order: its stock, its status, its history and its event, in one transaction.

Customers, payment events and the reconciler all move an order through `_take`, under the lock of
its row; which step it is, `domain.order` decides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import psycopg

from runtime import metrics
from runtime.adapters.store import orders, outbox
from runtime.adapters.store.orders import LockedOrder
from runtime.adapters.store.stock import Shelves
from runtime.domain.event import Json, ReceivedEvent, order_event
from runtime.domain.names import EventId, EventType, OrderStatus, trace_id
from runtime.domain.order import AmountMismatch, OrderEvent, OrderStep, next_order_step, order_path
from runtime.faults.points import Failpoint

logger = logging.getLogger(__name__)

# An order's own event by the status it reaches. A refund is announced by payments.refunded, which
# the notifier follows too; a second event would write the customer twice.
_ANNOUNCED_BY: Final = {
    OrderStatus.PAID: EventType.ORDER_PAID,
    OrderStatus.CANCELLED: EventType.ORDER_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class StepCause:
    """Why an order takes a step.

    Attributes:
        root: of the order's events; its payment, if it has one, knows itself by that id.
        name: who or what wanted it, for the history.
        event_id: of the event that caused it, if one did.
        reason: why it is cancelled, as the customer is told; unused by other steps.
    """

    root: EventId
    name: str
    event_id: EventId | None
    reason: str


def cancel_locked_order(
    conn: psycopg.Connection, order: LockedOrder, root: EventId, *, cause: str, reason: str
) -> bool:
    """Cancel a locked order in the caller's transaction.

    Args:
        root: of the order's events; its payment, if it has one, hears of it by that id.
        cause: who asked for it, for the history.

    Returns:
        False when the order is cancelled already: nothing was written.
    """
    # Whoever asks for it: to the order the reconciler's cancellation is a customer's.
    step = next_order_step(order.status, OrderEvent.CUSTOMER_CANCELLED)
    if step is None:
        return False
    shelves = Shelves()
    _take(conn, order, step, StepCause(root, cause, None, reason), shelves, _no_point)
    shelves.put(conn)
    return True


def follow_payment(
    conn: psycopg.Connection,
    order: LockedOrder,
    cause: OrderEvent,
    event: ReceivedEvent,
    shelves: Shelves,
    hit: Callable[[Failpoint], None],
) -> OrderStatus | AmountMismatch | None:
    """Move a locked order as its payment's event says, in the caller's transaction.

    Args:
        shelves: take up what is moved; the caller puts them before it commits.
        hit: called at each failpoint on the way.

    Returns:
        The status it has reached; None when it stays as it is; AmountMismatch when the event is
        about other money, and nothing was written.
    """
    path = order_path(order.status, order.total, cause, event.money)
    if isinstance(path, AmountMismatch):
        return path
    reason = event.text("reason") or "payment_failed"
    for caused_by, step in path:
        hit(Failpoint.SAGA_DECIDED_BEFORE_STEP1)
        why = StepCause(event.root, caused_by.name.lower(), event.event_id, reason)
        _take(conn, order, step, why, shelves, hit)
        order = replace(order, status=step.status)
        logger.info(
            "order %s",
            order.status,
            extra={
                "order_id": order.order_id,
                "event_id": str(event.root),
                "trace_id": trace_id(event.root),
            },
        )
    return order.status if path else None


def _take(
    conn: psycopg.Connection,
    order: LockedOrder,
    step: OrderStep,
    cause: StepCause,
    shelves: Shelves,
    hit: Callable[[Failpoint], None],
) -> None:
    # One round trip: none of these needs another's answer.
    with conn.pipeline():
        shelves.move(conn, order.order_id, step.stock)
        hit(Failpoint.SAGA_STOCK_RELEASED_BEFORE_MARK)
        orders.write_step(
            conn,
            order,
            step,
            cause=cause.name,
            cause_id=str(cause.event_id) if cause.event_id else None,
            cancel_reason=cause.reason if step.status is OrderStatus.CANCELLED else None,
        )
        hit(Failpoint.SAGA_DONE_BEFORE_EVENT)
        _announce(conn, order, step.status, cause)
    metrics.ORDERS.labels(step.status).inc()
    if step.status is OrderStatus.PAID:
        waited = datetime.now(UTC) - order.created_at
        metrics.ORDER_PAID_SECONDS.observe(max(0.0, waited.total_seconds()))


def _announce(
    conn: psycopg.Connection, order: LockedOrder, status: OrderStatus, cause: StepCause
) -> None:
    """Put the order's own event into the outbox, if this status has one."""
    event_type = _ANNOUNCED_BY.get(status)
    if event_type is None:
        return
    extra: dict[str, Json] = {}
    if event_type is EventType.ORDER_CANCELLED:
        extra = {"reason": cause.reason}
    announced = order_event(
        event_type,
        root=cause.root,
        order_id=order.order_id,
        tenant_id=order.tenant_id,
        money=order.total,
        at=order.read_at,
        extra=extra,
    )
    outbox.insert_events(conn, [announced])


def _no_point(point: Failpoint) -> None:
    """Only the saga has points here: a cancellation has those of its request."""
