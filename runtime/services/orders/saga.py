"""What a payment's end does to its order: paid, cancelled with its stock back, or refunded.

An event about other money than the order's does nothing at all: it is set aside as a dead letter
for people to look at, and the consumer goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import psycopg

from runtime import tracing
from runtime.adapters import consumer_loop
from runtime.adapters.store import orders
from runtime.adapters.store.orders import LockedOrder
from runtime.adapters.store.stock import Shelves
from runtime.domain.event import ReceivedEvent, Record
from runtime.domain.names import OrderStatus, Service, Topic, trace_id
from runtime.domain.order import AmountMismatch, OrderEvent
from runtime.domain.trace import caller_of
from runtime.faults import connections
from runtime.faults.points import Failpoint, Failpoints, Subject
from runtime.steps.order import follow_payment

logger = logging.getLogger(__name__)

EVENT_OF_TOPIC: Final[dict[str, OrderEvent]] = {
    Topic.PAYMENTS_COMPLETED: OrderEvent.PAYMENT_COMPLETED,
    Topic.PAYMENTS_FAILED: OrderEvent.PAYMENT_FAILED,
    Topic.PAYMENTS_REFUNDED: OrderEvent.PAYMENT_REFUNDED,
}

AMOUNT_MISMATCH: Final = "amount_mismatch"

_STATUSES: Final[frozenset[str]] = frozenset(OrderStatus)


def follow_all(
    conn: psycopg.Connection,
    events: Sequence[tuple[Record, ReceivedEvent]],
    failpoints: Failpoints,
) -> list[str]:
    """Apply payment events to their orders, in their order, in the caller's transaction.

    Args:
        events: records, each with what it holds.

    Returns:
        A word for the log per event: the new status, or why nothing changed.
    """
    # Locked first: two events of one order on two topics must not both find it pending.
    known = orders.lock_orders(conn, {event.order_id for _, event in events})
    shelves, words = Shelves(), []
    for record, event in events:
        order = known.get(event.order_id)
        # Another environment's record, or one written by hand: nothing here can follow it.
        if order is None:
            words.append("no such order")
            continue
        caller = caller_of(record) if tracing.is_on() else None
        with tracing.span(f"saga {record.topic}", tracing.SpanSide.CONSUMER, parent=caller):
            word = _follow(conn, record, event, order, shelves, failpoints)
            tracing.note(bookpay__order_id=event.order_id, bookpay__came_to=word)
        words.append(word)
        if word in _STATUSES:
            # Another event of the same order may be in the same batch.
            known[event.order_id] = replace(order, status=OrderStatus(word))
    # Last, so that POST /orders waits for one commit and not for a batch.
    shelves.put(conn)
    return words


def follow(
    conn: psycopg.Connection, record: Record, event: ReceivedEvent, failpoints: Failpoints
) -> str:
    """The same for one event."""
    return follow_all(conn, [(record, event)], failpoints)[0]


def _follow(
    conn: psycopg.Connection,
    record: Record,
    event: ReceivedEvent,
    order: LockedOrder,
    shelves: Shelves,
    failpoints: Failpoints,
) -> str:
    subject = Subject(order.order_id, event.root, order.tenant_id)

    def hit(point: Failpoint) -> None:
        failpoints.hit(point, subject, connections.Statement(conn))

    reached = follow_payment(conn, order, EVENT_OF_TOPIC[record.topic], event, shelves, hit)
    if isinstance(reached, AmountMismatch):
        _set_aside(conn, record, event, reached)
        return AMOUNT_MISMATCH
    return reached or f"unchanged ({order.status})"


def _set_aside(
    conn: psycopg.Connection, record: Record, event: ReceivedEvent, mismatch: AmountMismatch
) -> None:
    """Keep the record with its reason, and say which two amounts disagree."""
    # In the transaction that would have moved the order: the offset passes the record only when
    # it is kept.
    consumer_loop.dead_letter(conn, source=Service.ORDERS, reason=AMOUNT_MISMATCH, record=record)
    logger.error(
        "a payment's event names other money than its order",
        extra={
            "reason": AMOUNT_MISMATCH,
            "order_id": event.order_id,
            "event_id": str(event.root),
            "trace_id": trace_id(event.root),
            "order_amount_cents": mismatch.total.amount_cents,
            "order_currency": mismatch.total.currency,
            "event_amount_cents": mismatch.named.amount_cents,
            "event_currency": mismatch.named.currency,
        },
    )
