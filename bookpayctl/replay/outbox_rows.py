"""Which outbox rows are published again, and each of them as a record. Pure but for the reading.

Only rows that were published before the replay began: what was not is the publisher's to send. The
record is what the publisher made of the row, with the header `replay` in place of its term, which
is nobody's here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bookpayctl.clients.database import Connection
from bookpayctl.clients.kafka_producer import RecordToSend
from bookpayctl.replay.records import REPLAY_HEADER
from runtime.domain.names import FINAL_PAYMENT_STATES, TOPIC_OF_EVENT_TYPE, Header

PUBLISHER_ID: Final = "bookpayctl-replay"

BATCH: Final = 500
"""Rows between two saved positions: what a crash makes go out once more."""

VALUE_BYTES_MAX: Final = 900_000
HEADER_BYTES_MAX: Final = 90_000
"""What the publisher takes for one record; beyond it, it made a dead letter of the row."""

_CHOSEN: Final = """
    published_at < %(began_at)s
    AND created_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
    AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(types)s::text[] IS NULL OR event_type = ANY (%(types)s))
    AND (%(aggregates)s::text[] IS NULL OR aggregate_id = ANY (%(aggregates)s))
"""

_COUNT: Final = f"""
    SELECT event_type, count(*), min(created_at), max(created_at) FROM outbox
    WHERE {_CHOSEN} GROUP BY event_type ORDER BY event_type
"""  # noqa: S608 - constants

_NEXT: Final = f"""
    SELECT event_id, event_type, aggregate, aggregate_id, tenant_id, payload::text AS payload,
        to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS created_at,
        CASE jsonb_typeof(payload -> 'root_event_id')
            WHEN 'string' THEN left(payload ->> 'root_event_id', 100) END AS root_event_id,
        created_at AS place
    FROM outbox
    WHERE {_CHOSEN}
        AND (%(after_at)s::timestamptz IS NULL
            OR (created_at, event_id) > (%(after_at)s, %(after_id)s::uuid))
    ORDER BY created_at, event_id LIMIT %(limit)s
"""  # noqa: S608 - constants


_SETTLED: Final = f"""
    WITH chosen AS MATERIALIZED (SELECT DISTINCT aggregate_id FROM outbox WHERE {_CHOSEN})
    SELECT count(*) FROM payments
    WHERE state = ANY (%(final)s)
        AND (order_id IN (SELECT aggregate_id FROM chosen)
            OR event_id::text IN (SELECT aggregate_id FROM chosen))
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class OutboxSelection:
    """What the operator chose; None leaves a question open.

    Attributes:
        began_at: only rows that were marked published before this, by the database's clock.
        since, until: by when the event was written; `until` is not part of it.
        aggregates: ids of orders, or of payments (root event ids).
    """

    began_at: datetime
    since: datetime | None = None
    until: datetime | None = None
    types: tuple[str, ...] | None = None
    aggregates: tuple[str, ...] | None = None

    def values(self) -> dict[str, Any]:
        """As the statements name them."""
        return {
            "began_at": self.began_at,
            "since": self.since,
            "until": self.until,
            "types": list(self.types) if self.types else None,
            "aggregates": list(self.aggregates) if self.aggregates else None,
        }


@dataclass(frozen=True, slots=True)
class CountedRows:
    """Rows of one type that were chosen, and between which times they were written."""

    event_type: str
    rows: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class RowToSend:
    """One row of the outbox, as its record needs it."""

    event_id: UUID
    event_type: str
    aggregate: str
    aggregate_id: str
    tenant_id: str
    payload: str
    created_at: str
    root_event_id: str | None
    place: datetime


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Behind which row it goes on."""

    at: datetime
    event_id: str


def count_rows(conn: Connection, selection: OutboxSelection) -> list[CountedRows]:
    """How many rows of each type are chosen."""
    return [CountedRows(*row) for row in conn.execute(_COUNT, selection.values()).fetchall()]


def count_settled(conn: Connection, selection: OutboxSelection) -> int:
    """How many payments that are final the chosen rows speak of."""
    final = [state.value for state in FINAL_PAYMENT_STATES]
    row = conn.execute(_SETTLED, {**selection.values(), "final": final}).fetchone()
    return int(row[0]) if row else 0


def next_rows(
    conn: Connection, selection: OutboxSelection, *, after: RowPlace | None, limit: int
) -> list[RowToSend]:
    """The rows behind a place, oldest first; empty at the end."""
    values = {
        **selection.values(),
        "after_at": after.at if after else None,
        "after_id": after.event_id if after else None,
        "limit": limit,
    }
    return [RowToSend(*row) for row in conn.execute(_NEXT, values).fetchall()]


def record_of(row: RowToSend, replay: str) -> RecordToSend | str:
    """The row as a record, or why there can be none.

    Args:
        replay: the run that sends it.
    """
    topic = TOPIC_OF_EVENT_TYPE.get(row.event_type)
    if topic is None:
        return "its type has no topic"
    value = row.payload.encode()
    root = _root(row)
    texts = {
        Header.EVENT_ID: str(row.event_id),
        Header.EVENT_TYPE: row.event_type,
        Header.AGGREGATE: row.aggregate,
        Header.AGGREGATE_ID: row.aggregate_id,
        Header.TENANT_ID: row.tenant_id,
        Header.CREATED_AT: row.created_at,
        Header.PUBLISHER_ID: PUBLISHER_ID,
        Header.TRACEPARENT: f"00-{root.hex}-{row.event_id.hex[:16]}-01",
    }
    headers = (
        *((name.value, text.encode()) for name, text in texts.items()),
        (REPLAY_HEADER, replay.encode()),
    )
    if len(value) > VALUE_BYTES_MAX or _size(headers) > HEADER_BYTES_MAX:
        return "it is larger than a record may be"
    return RecordToSend(topic.value, str(root).encode(), value, headers)


def _root(row: RowToSend) -> UUID:
    """What the key is made of: the payload's root where it is an id, else the row's own."""
    try:
        return UUID(row.root_event_id or "")
    except ValueError:
        return row.event_id


def _size(headers: Iterable[tuple[str, bytes]]) -> int:
    return sum(len(value) for _, value in headers)
