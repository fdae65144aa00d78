"""Collecting what each ledger knows of one order, for `order trace`.

A ledger that cannot be read leaves a gap that is named; the others are still shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from bookpayctl.clients import kafka
from bookpayctl.clients.database import reading
from bookpayctl.judge.readers.stripe import StripeReader, StripeReadError
from bookpayctl.operate.moved import moved_of_order
from bookpayctl.report.money import shown_money
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.log_lines import LogLine
from bookpayctl.targets.target import Target, processes_of
from bookpayctl.trace.timeline import TimelineEvent
from runtime.domain.names import TOPIC_OF_EVENT_TYPE, EventId, Service, Topic, trace_id

# Records of an order are never older than its row; a little slack for another machine's clock.
CLOCK_SLACK: Final = timedelta(seconds=5)


class OrderUnknownError(LookupError):
    """No order of that id, key or event id."""


@dataclass(slots=True)
class OrderTimeline:
    """The order, its events in no order, what could not be read, what cannot be shown here.

    Attributes:
        trace_url: the page of its trace, where one is configured.
    """

    order: dict[str, Any]
    root_event_id: str | None
    trace_url: str | None = None
    events: list[TimelineEvent] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def trace_id(self) -> str | None:
        """The trace that every process tells its spans of; None without a root event."""
        return None if self.root_event_id is None else trace_id(EventId(UUID(self.root_event_id)))

    def link(self, template: str) -> None:
        """Have it link to the page of its trace; `{trace_id}` stands for the id."""
        if template and self.trace_id is not None:
            self.trace_url = template.replace("{trace_id}", self.trace_id)


def collect(target: Target, identifier: str) -> OrderTimeline:
    """Read everything about one order.

    Args:
        identifier: an order id, a root event id or a PaymentIntent id.

    Raises:
        OrderUnknownError: there is no such order.
        DatabaseError: the database could not be read.
    """
    environment = target.environment
    with reading(environment.dsn) as conn:
        timeline = _order(conn, identifier)
        order_id = timeline.order["id"]
        timeline.events += _order_events(conn, order_id)
        events = _outbox_rows(conn, order_id)
        timeline.events += _outbox_events(events)
        intent = None
        if timeline.root_event_id is not None:
            payment = _payment_row(conn, timeline.root_event_id)
            intent = payment["payment_intent_id"] if payment else None
            timeline.events += _payment_events(conn, timeline.root_event_id, payment)
            timeline.events += _call_events(conn, timeline.root_event_id)
        if intent is not None:
            timeline.events += _webhook_events(conn, intent)
        timeline.events += _notification_events(conn, order_id)
        timeline.events += _moved_events(conn, order_id)
    _add_http(target, timeline, order_id)
    _add_records(environment, timeline, events)
    _add_stripe(environment, timeline)
    return timeline


def _order(conn: Any, identifier: str) -> OrderTimeline:
    row = conn.execute(
        "SELECT o.id, o.status, o.total_cents, o.currency, o.cancel_reason, o.created_at,"
        " coalesce(o.event_id::text, (SELECT b.event_id::text FROM outbox b"
        "   WHERE b.event_type = 'OrderPlaced' AND b.aggregate_id = o.id LIMIT 1))"
        " FROM orders o LEFT JOIN payments p ON p.order_id = o.id"
        " WHERE o.id = %(id)s OR o.event_id::text = %(id)s OR p.event_id::text = %(id)s"
        " OR p.payment_intent_id = %(id)s LIMIT 1",
        {"id": identifier},
    ).fetchone()
    if row is None:
        raise OrderUnknownError(f"no order, root event or PaymentIntent {identifier!r} here")
    names = ("id", "status", "total_cents", "currency", "cancel_reason", "created_at")
    return OrderTimeline(dict(zip(names, row[:6], strict=True)), row[6])


def _order_events(conn: Any, order_id: str) -> Iterator[TimelineEvent]:
    created, total, currency = conn.execute(
        "SELECT created_at, total_cents, currency FROM orders WHERE id = %s", (order_id,)
    ).fetchone()
    stock = conn.execute(
        "SELECT string_agg(quantity || 'x ' || sku, ', ') FROM reservations WHERE order_id = %s",
        (order_id,),
    ).fetchone()[0]
    money = shown_money(total, currency)
    yield TimelineEvent(
        created, "postgres", "order written", f"{money}, reserved {stock or 'nothing'}"
    )
    rows = conn.execute(
        "SELECT at, from_state, to_state, cause, cause_id FROM order_events WHERE order_id = %s"
        " ORDER BY id",
        (order_id,),
    ).fetchall()
    for at, before, after, cause, cause_id in rows:
        by = f"by {cause}{f' {cause_id}' if cause_id else ''}"
        yield TimelineEvent(at, "postgres", f"order {before or 'new'} -> {after}", by)


def _outbox_rows(conn: Any, order_id: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = conn.execute(
        "SELECT event_id::text, event_type, created_at, published_at FROM outbox"
        " WHERE payload->>'order_id' = %(id)s OR aggregate_id = %(id)s ORDER BY created_at",
        {"id": order_id},
    ).fetchall()
    return rows


def _outbox_events(rows: list[tuple[Any, ...]]) -> Iterator[TimelineEvent]:
    for event_id, event_type, created, published in rows:
        yield TimelineEvent(created, "postgres", f"outbox {event_type}", f"event {event_id}")
        if published is not None:
            yield TimelineEvent(published, "postgres", f"marked published {event_type}", event_id)


def _payment_row(conn: Any, root: str) -> dict[str, Any] | None:
    row = conn.execute(
        "SELECT created_at, payment_intent_id, source_topic, source_partition, source_offset"
        " FROM payments WHERE event_id = %s",
        (root,),
    ).fetchone()
    names = ("created_at", "payment_intent_id", "topic", "partition", "offset")
    return None if row is None else dict(zip(names, row, strict=True))


def _payment_events(
    conn: Any, root: str, payment: dict[str, Any] | None
) -> Iterator[TimelineEvent]:
    if payment is not None:
        source = f"from {payment['topic']}/{payment['partition']}/{payment['offset']}"
        yield TimelineEvent(payment["created_at"], "postgres", "inbox", source)
    rows = conn.execute(
        "SELECT at, kind, from_state, to_state, cause, cause_id FROM payment_events"
        " WHERE event_id = %s ORDER BY id",
        (root,),
    ).fetchall()
    for at, kind, before, after, cause, cause_id in rows:
        note = "" if kind == "transition" else f" ({kind})"
        step = f"payment {before or 'new'} -> {after}{note}"
        yield TimelineEvent(at, "postgres", step, f"by {cause}{f' {cause_id}' if cause_id else ''}")


def _call_events(conn: Any, root: str) -> Iterator[TimelineEvent]:
    rows = conn.execute(
        "SELECT started_at, answered_at, operation, idempotency_key, status, outcome, request_id,"
        " replayed, payment_intent_id FROM stripe_calls WHERE event_id = %s ORDER BY id",
        (root,),
    ).fetchall()
    for started, answered, operation, key, status, outcome, request_id, replayed, intent in rows:
        yield TimelineEvent(started, "postgres", f"gateway calls Stripe: {operation}", f"key {key}")
        if answered is not None:
            again = ", replayed" if replayed else ""
            detail = f"{status} {request_id} {intent or ''}{again}"
            yield TimelineEvent(answered, "postgres", f"gateway has an answer: {outcome}", detail)


def _webhook_events(conn: Any, intent: str) -> Iterator[TimelineEvent]:
    rows = conn.execute(
        "SELECT event_id, type, received_at, processed_at FROM stripe_events"
        " WHERE object_id = %s ORDER BY received_at",
        (intent,),
    ).fetchall()
    for event_id, kind, received, processed in rows:
        yield TimelineEvent(received, "postgres", f"webhook stored {kind}", event_id)
        if processed is not None:
            yield TimelineEvent(processed, "postgres", "webhook applied", event_id)


def _notification_events(conn: Any, order_id: str) -> Iterator[TimelineEvent]:
    rows = conn.execute(
        "SELECT coalesce(sent_at, created_at), event_type, message_id, sent_at IS NOT NULL"
        " FROM notifications WHERE order_id = %s",
        (order_id,),
    ).fetchall()
    for at, event_type, message_id, sent in rows:
        yield TimelineEvent(
            at, "postgres", f"e-mail {'sent' if sent else 'due'} {event_type}", message_id
        )


def _moved_events(conn: Any, order_id: str) -> Iterator[TimelineEvent]:
    for entry in moved_of_order(conn, order_id):
        yield TimelineEvent(entry.created_at, "postgres", "moved by others", entry.sentence())


def _add_http(target: Target, timeline: OrderTimeline, order_id: str) -> None:
    """What the API logged of this order; nothing when its log was rotated away."""
    try:
        names = [name for name in processes_of(target, Service.ORDERS) if not _is_consumer(name)]
        for line in target.log_lines(names):
            event = _log_event(line, order_id)
            if event is not None:
                timeline.events.append(event)
    except TargetError as error:
        timeline.notes.append(f"the API's log cannot be read: {error}")


def _is_consumer(process: str) -> bool:
    """Its role is in its name, whatever the stack runs on; what it did is in the database."""
    return process.startswith(f"{Service.ORDERS.value}-consumer")


def _log_event(line: LogLine, order_id: str) -> TimelineEvent | None:
    entry = line.fields or {}
    if entry.get("order_id") != order_id:
        return None
    try:
        at = datetime.fromisoformat(entry["ts"])
    except (ValueError, KeyError, TypeError):
        return None
    kept = {k: entry[k] for k in ("method", "path", "status", "duration_ms") if k in entry}
    return TimelineEvent(
        at, "http", str(entry.get("msg", "")), " ".join(f"{v}" for v in kept.values())
    )


def _add_records(
    environment: Environment, timeline: OrderTimeline, events: list[tuple[Any, ...]]
) -> None:
    """Find the order's records; each topic is read from the order's own time on."""
    wanted = {event_id for event_id, *_ in events}
    topics = {str(TOPIC_OF_EVENT_TYPE.get(kind, Topic.ORDERS_PLACED)) for _, kind, *_ in events}
    try:
        consumer = kafka.open_consumer(environment.kafka)
        try:
            ranges = kafka.log_ranges(consumer, sorted(topics))
            since = timeline.order["created_at"] - CLOCK_SLACK
            for record in kafka.records_between(consumer, kafka.since(consumer, ranges, since)):
                if record.event_id in wanted and record.at is not None:
                    timeline.events.append(_record_events(record))
        finally:
            consumer.close()
    except (kafka.BrokerError, kafka.LogReadError) as error:
        timeline.missing.append(f"kafka: {error}")


def _record_events(record: Any) -> TimelineEvent:
    where = f"{record.topic}/{record.partition}/{record.offset}"
    leader = f"by {record.headers.get('publisher_id')} term {record.headers.get('publisher_term')}"
    return TimelineEvent(record.at, "kafka", f"record {record.event_type}", f"{where} {leader}")


def _add_stripe(environment: Environment, timeline: OrderTimeline) -> None:
    if timeline.root_event_id is None:
        return
    try:
        reader = StripeReader(environment)
        if not reader.is_twin:
            timeline.notes.append("stripe: only the twin shows its request journal")
            return
        for row in reader.requests():
            key = str(row["idempotency_key"] or "")
            if key.startswith(timeline.root_event_id):
                timeline.events.append(_request_events(row))
    except StripeReadError as error:
        timeline.missing.append(f"stripe: {error}")


def _request_events(row: dict[str, Any]) -> TimelineEvent:
    did = "executed" if row["executed"] else "replayed" if row["replayed"] else "answered"
    detail = f"{row['status']} {row['request_id']} key {row['idempotency_key']}"
    at = datetime.fromtimestamp(float(row["wall_at"]), UTC)
    return TimelineEvent(at, "stripe", f"{row['method']} {row['path']} {did}", detail)
