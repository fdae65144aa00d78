"""Events on the wire: building an outbox payload, and parsing a Kafka record into a sure type.

A record is parsed once, at the edge. What cannot be parsed becomes `Malformed` with a fixed reason,
never an exception, so that one bad record cannot stop a partition.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from runtime.domain.money import Money, read_money
from runtime.domain.names import (
    Aggregate,
    EventId,
    EventType,
    Header,
    OrderId,
    TenantId,
    derive_event_id,
)

RECORD_BYTES_MAX: Final = 900_000
"""Below Kafka's default message.max.bytes (1,048,588) with room for headers."""

HEADER_BYTES_MAX: Final = 90_000
"""For what an outbox row says beside its payload. The client does not count headers, and a broker
that finds a batch too large refuses all of it."""

# Debezium's EventRouter names the event id so; consumers accept either.
DEBEZIUM_ID_HEADER: Final = "id"

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A row for the outbox; `payload` is a JSON object."""

    event_id: EventId
    aggregate: Aggregate
    aggregate_id: str
    event_type: EventType
    payload: Mapping[str, Json]
    tenant_id: TenantId

    @property
    def root(self) -> EventId:
        """The event_id of the order's OrderPlaced, as the payload has it."""
        return EventId(UUID(str(self.payload["root_event_id"])))


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record as consumed; header values decoded as UTF-8."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A well-formed event of any topic.

    Attributes:
        root: the event_id of the order's OrderPlaced; a payload without one is its own root.
        body: the parsed payload, for fields that only some events have.
    """

    event_id: EventId
    root: EventId
    order_id: OrderId
    tenant_id: TenantId
    money: Money
    body: Mapping[str, Json]

    def text(self, name: str) -> str | None:
        """A text field of the payload; None when it is missing or of another type."""
        value = self.body.get(name)
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that cannot be an event; `reason` is a fixed word, never the input."""

    reason: str


def parse_record(record: Record) -> ReceivedEvent | Malformed:
    """Parse a record of any topic of ours."""
    if record.value is None:
        return Malformed("null_value")
    if len(record.value) > RECORD_BYTES_MAX:
        return Malformed("too_large")
    try:
        body = json.loads(record.value)
    # A deep enough nesting ends the recursive reader; one record must not end the consumer.
    except (ValueError, RecursionError):
        return Malformed("bad_json")
    if not isinstance(body, dict):
        return Malformed("not_an_object")
    return _parse_body(body, record.headers)


def _parse_body(body: dict[str, Json], headers: Mapping[str, str]) -> ReceivedEvent | Malformed:
    # A version that is not ours may mean something else by the same names.
    if body.get("version", 1) != 1:
        return Malformed("unknown_version")
    event_id = _uuid(body.get("event_id")) or _uuid(
        headers.get(Header.EVENT_ID) or headers.get(DEBEZIUM_ID_HEADER)
    )
    if event_id is None:
        return Malformed("event_id")
    # Present and unreadable is malformed; only a hand-written OrderPlaced may leave it out.
    root = _uuid(body["root_event_id"]) if "root_event_id" in body else event_id
    if root is None:
        return Malformed("root_event_id")
    order_id = body.get("order_id")
    if not isinstance(order_id, str) or not _storable(order_id):
        return Malformed("order_id")
    # The header is set from the outbox column; a payload written by hand may have it instead.
    tenant_id = headers.get(Header.TENANT_ID) or body.get("tenant_id")
    if not isinstance(tenant_id, str) or not _storable(tenant_id):
        return Malformed("tenant_id")
    money = read_money(body.get("amount_cents"), body.get("currency"))
    if money is None:
        return Malformed("amount")
    return ReceivedEvent(
        EventId(event_id), EventId(root), OrderId(order_id), TenantId(tenant_id), money, body
    )


def _uuid(value: Json) -> UUID | None:
    if not isinstance(value, str):
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


def _storable(text: str) -> bool:
    """Whether PostgreSQL's text can hold it and a person can read it in a log."""
    return 0 < len(text) <= 255 and "\x00" not in text and text.isprintable()


# --- the events we write --------------------------------------------------------------------


def order_event(
    event_type: EventType,
    *,
    root: EventId,
    order_id: OrderId,
    tenant_id: TenantId,
    money: Money,
    at: datetime,
    extra: Mapping[str, Json],
) -> NewEvent:
    """An event of the aggregate `orders`; OrderPlaced is the root itself, the others derive."""
    # Everything that follows from an order is named after it, so that a repeat collides.
    placed = event_type is EventType.ORDER_PLACED
    event_id = root if placed else derive_event_id(root, event_type)
    payload = _payload(event_id, root, order_id, money, at, extra)
    return NewEvent(event_id, Aggregate.ORDERS, order_id, event_type, payload, tenant_id)


def payment_event(
    event_type: EventType,
    *,
    root: EventId,
    order_id: OrderId,
    tenant_id: TenantId,
    money: Money,
    at: datetime,
    extra: Mapping[str, Json],
    n: int | None = None,
) -> NewEvent:
    """An event of the aggregate `payments`; `n` tells repeats of one type apart."""
    event_id = derive_event_id(root, event_type, n)
    payload = _payload(event_id, root, order_id, money, at, extra)
    return NewEvent(event_id, Aggregate.PAYMENTS, str(root), event_type, payload, tenant_id)


def _payload(
    event_id: EventId,
    root: EventId,
    order_id: OrderId,
    money: Money,
    at: datetime,
    extra: Mapping[str, Json],
) -> dict[str, Json]:
    return {
        "event_id": str(event_id),
        "root_event_id": str(root),
        "order_id": order_id,
        "occurred_at": at.isoformat(),
        "amount_cents": money.amount_cents,
        "currency": money.currency,
        # Absent, not null: a consumer need not know two ways to say nothing.
        **{name: value for name, value in extra.items() if value is not None},
    }


def root_of_event(root_event_id: str | None, event_id: EventId) -> EventId:
    """The Kafka key of an outbox row: its payload's root_event_id, else its own event_id."""
    return EventId(_uuid(root_event_id) or event_id)


def traceparent(root: EventId, span: UUID) -> str:
    """W3C traceparent: the order's trace, and the span's first 64 bits as the parent.

    Args:
        span: whose child the receiver is: an event, or the token of one attempt.
    """
    return f"00-{root.hex}-{span.hex[:16]}-01"
