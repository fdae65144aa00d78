"""The inbox: Kafka records become payments rows, then the offset is committed.

One thread, one transaction per batch. Nothing that happens to a payment afterwards can hold up a
partition, and a record that cannot be understood becomes a dead letter in the same transaction.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import psycopg

from runtime.adapters import consumer_loop
from runtime.adapters.store import dead_letters, payments
from runtime.adapters.store.inbox import NewPayment
from runtime.adapters.store.payments import Cause, PaymentRow
from runtime.domain.event import Malformed, ReceivedEvent, Record, parse_record
from runtime.domain.names import Header, Service, Topic
from runtime.domain.trace import parse_traceparent
from runtime.steps import queue

logger = logging.getLogger(__name__)

TOPICS = (Topic.ORDERS_PLACED, Topic.ORDERS_CANCELLED)


@dataclass(frozen=True, slots=True)
class Sorted:
    """A batch told apart, pure."""

    placed: tuple[NewPayment, ...]
    cancelled: tuple[tuple[Record, ReceivedEvent], ...]
    malformed: tuple[tuple[Record, str], ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of records.

    Attributes:
        new: names the payments that were inserted.
        claimable: those that may be sent, as they are at the batch's end.
    """

    records: int = 0
    inserted: int = 0
    duplicates: int = 0
    malformed: int = 0
    cancelled: int = 0
    other_event_for_order: int = 0
    new: tuple[UUID, ...] = ()
    claimable: tuple[PaymentRow, ...] = ()

    def plus(self, other: Counts) -> Counts:
        return Counts(
            self.records + other.records,
            self.inserted + other.inserted,
            self.duplicates + other.duplicates,
            self.malformed + other.malformed,
            self.cancelled + other.cancelled,
            self.other_event_for_order + other.other_event_for_order,
            (*self.new, *other.new),
            (*self.claimable, *other.claimable),
        )


def sort_records(records: Sequence[Record]) -> Sorted:
    """Parse a batch and tell orders, cancellations and unreadable records apart."""
    placed: list[NewPayment] = []
    cancelled: list[tuple[Record, ReceivedEvent]] = []
    malformed: list[tuple[Record, str]] = []
    for record in records:
        event = parse_record(record)
        if isinstance(event, Malformed):
            malformed.append((record, event.reason))
        # By topic: who may write a topic is decided by the broker, what a payload calls itself by
        # nobody.
        elif record.topic == Topic.ORDERS_CANCELLED:
            cancelled.append((record, event))
        else:
            order = _to_placed(event, record)
            if isinstance(order, Malformed):
                malformed.append((record, order.reason))
            else:
                placed.append(order)
    return Sorted(tuple(placed), tuple(cancelled), tuple(malformed))


def _to_placed(event: ReceivedEvent, record: Record) -> NewPayment | Malformed:
    method = event.text("payment_method")
    # It goes into a request to Stripe; what it means is for Stripe to say.
    if method is not None and not (0 < len(method) <= 255 and method.isprintable()):
        return Malformed("payment_method")
    traceparent = record.headers.get(Header.TRACEPARENT, "")
    return NewPayment(
        event,
        method,
        # Somebody else's text that would go out as a header of ours.
        traceparent if parse_traceparent(traceparent) else None,
        _timestamp(event.text("occurred_at")),
        _timestamp(record.headers.get(Header.CREATED_AT)),
        record,
    )


def _timestamp(text: str | None) -> datetime | None:
    """An aware ISO 8601 time; a header that is none is no reason to refuse an order."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def store_batch(
    conn: psycopg.Connection, records: Sequence[Record], *, source: str, rng: random.Random
) -> Counts:
    """Write a batch in the caller's transaction."""
    batch = sort_records(records)
    # In the batch's transaction: were the offset committed first, a crash would lose the record.
    for record, reason in batch.malformed:
        consumer_loop.dead_letter(conn, source=source, reason=reason, record=record)
    counts = Counts(records=len(records), malformed=len(batch.malformed))
    if batch.placed:
        counts = counts.plus(_store_placed(conn, batch.placed))
    # After the orders of the same poll: a cancellation finds its payment more often than not, and
    # leaves a tombstone where it does not.
    cancelled = 0
    for record, event in batch.cancelled:
        cancelled += _cancel(conn, record, event, source=source, rng=rng)
    if batch.cancelled and counts.new:
        # One of these may have been an order of the same batch.
        counts = replace(counts, claimable=tuple(payments.lock_pending(conn, counts.new)))
    return replace(counts, cancelled=cancelled)


def _cancel(
    conn: psycopg.Connection,
    record: Record,
    event: ReceivedEvent,
    *,
    source: str,
    rng: random.Random,
) -> bool:
    """Tell a payment of its cancellation; whether it was about that payment."""
    came_to = queue.cancel(conn, event, Cause("OrderCancelled", str(event.event_id)), rng)
    extra = {"event_id": str(event.root), "order_id": event.order_id}
    if isinstance(came_to, queue.OtherOrder):
        consumer_loop.dead_letter(conn, source=source, reason=came_to.reason, record=record)
        logger.error(
            "a cancellation names another order or other money than its payment; it has a dead"
            " letter now",
            extra={**extra, "reason": came_to.reason},
        )
        return False
    logger.info("order cancelled: payment %s", came_to, extra=extra)
    return True


def _store_placed(conn: psycopg.Connection, placed: Sequence[NewPayment]) -> Counts:
    # All in one statement; what was there already is no error, for every record may come twice.
    inserted = queue.insert_placed(conn, placed)
    for item in inserted.other_event_for_order:
        dead_letters.insert_record(
            conn, source=Service.WORKER, reason="duplicate_order", record=item.record
        )
        logger.error(
            "a second event for an order that has a payment; it has a dead letter now",
            extra={"event_id": str(item.event.root), "order_id": item.event.order_id},
        )
    return Counts(
        inserted=len(inserted.new),
        duplicates=len(placed) - len(inserted.new) - len(inserted.other_event_for_order),
        other_event_for_order=len(inserted.other_event_for_order),
        new=tuple(row.event_id for row in inserted.new),
        claimable=inserted.new,
    )
