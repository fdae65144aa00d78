"""What a payment's end does to its order: paid, cancelled with its stock back, or refunded."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

import psycopg

from runtime.adapters.store import orders, outbox
from runtime.adapters.store.orders import LockedOrder
from runtime.domain.event import Json, ReceivedEvent, order_event
from runtime.domain.names import EventType, OrderStatus, Topic, trace_id
from runtime.domain.order import OrderEvent, OrderStep, next_order_step
from runtime.faults import connections
from runtime.faults.points import Failpoint, Failpoints, Subject

logger = logging.getLogger(__name__)

EVENT_OF_TOPIC: Final[dict[str, OrderEvent]] = {
    Topic.PAYMENTS_COMPLETED: OrderEvent.PAYMENT_COMPLETED,
    Topic.PAYMENTS_FAILED: OrderEvent.PAYMENT_FAILED,
    Topic.PAYMENTS_REFUNDED: OrderEvent.PAYMENT_REFUNDED,
}


def follow(
    conn: psycopg.Connection, topic: str, event: ReceivedEvent, failpoints: Failpoints
) -> str:
    """Apply one payment event to its order in the caller's transaction.

    Returns:
        A word for the log: the new status, or why nothing changed.
    """
    order = orders.lock_order(conn, event.order_id)
    if order is None:
        return "no such order"
    cause = EVENT_OF_TOPIC[topic]
    if cause is OrderEvent.PAYMENT_REFUNDED and order.status is OrderStatus.PENDING:
        # The refund of a late success overtook the failure, which is on another topic: take the
        # step the failure would have taken first.
        _take(conn, order, OrderEvent.PAYMENT_FAILED, event, failpoints)
        order = replace(order, status=OrderStatus.CANCELLED)
    return _take(conn, order, cause, event, failpoints)


def _take(
    conn: psycopg.Connection,
    order: LockedOrder,
    cause: OrderEvent,
    event: ReceivedEvent,
    failpoints: Failpoints,
) -> str:
    """One step of a locked order, with its stock, its history and its event."""
    step = next_order_step(order.status, cause)
    if step is None:
        return f"unchanged ({order.status})"
    subject, line = (
        Subject(order.order_id, event.root, order.tenant_id),
        connections.Statement(conn),
    )
    failpoints.hit(Failpoint.SAGA_DECIDED_BEFORE_STEP1, subject, line)
    reason = event.text("reason") or "payment_failed"
    # One round trip: none of these needs another's answer.
    with conn.pipeline():
        orders.move_stock(conn, order.order_id, step.stock)
        failpoints.hit(Failpoint.SAGA_STOCK_RELEASED_BEFORE_MARK, subject, line)
        orders.write_step(
            conn,
            order,
            step,
            cause=cause.name.lower(),
            cause_id=str(event.event_id),
            cancel_reason=reason if step.status is OrderStatus.CANCELLED else None,
        )
        failpoints.hit(Failpoint.SAGA_DONE_BEFORE_EVENT, subject, line)
        _tell(conn, order, step, event, reason)
    return step.status


def _tell(
    conn: psycopg.Connection,
    order: LockedOrder,
    step: OrderStep,
    event: ReceivedEvent,
    reason: str,
) -> None:
    """The order's own event, in the same transaction; a refund is told by payments.refunded."""
    extra: dict[str, Json]
    match step.status:
        case OrderStatus.PAID:
            event_type, extra = EventType.ORDER_PAID, {}
        case OrderStatus.CANCELLED:
            event_type, extra = EventType.ORDER_CANCELLED, {"reason": reason}
        case OrderStatus.REFUNDED | OrderStatus.PENDING:
            return
    told = order_event(
        event_type,
        root=event.root,
        order_id=order.order_id,
        tenant_id=order.tenant_id,
        money=order.money,
        at=order.read_at,
        extra=extra,
    )
    outbox.insert_events(conn, [told])
    logger.info(
        "order %s",
        step.status,
        extra={
            "order_id": order.order_id,
            "event_id": str(event.root),
            "trace_id": trace_id(event.root),
        },
    )
