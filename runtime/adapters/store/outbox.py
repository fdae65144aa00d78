"""The outbox table: written by every service in its own transaction, read by the publisher."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from runtime.domain.event import NewEvent

# Event ids are derived from the root, so a step that is taken again writes the event that is there.
_INSERT = """
    INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (event_id) DO NOTHING
"""

# A row that can never be published has a dead letter and is passed over; the anti-join is to a
# small table and leaves the scan on outbox_unpublished_idx.
SELECT_UNPUBLISHED: Final = """
    SELECT event_id, aggregate, aggregate_id, event_type, payload::text AS payload, tenant_id,
           created_at
    FROM outbox
    WHERE published_at IS NULL
      AND event_id <> ALL (%(in_flight)s)
      AND NOT EXISTS (SELECT FROM dead_letters
                      WHERE dead_letters.source = 'outbox' AND source_offset IS NULL
                        AND resolved_at IS NULL
                        AND dead_letters.event_id = outbox.event_id)
    ORDER BY created_at
    LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One unpublished event; `payload` is JSON text, of any kind a hand may have written."""

    event_id: UUID
    aggregate: str
    aggregate_id: str
    event_type: str
    payload: str
    tenant_id: str
    created_at: datetime


def insert_events(conn: Connection, events: Iterable[NewEvent]) -> None:
    """Add events to the caller's transaction; an event that is there already stays as it is."""
    rows = [
        (
            event.event_id,
            event.aggregate,
            event.aggregate_id,
            event.event_type,
            json.dumps(event.payload),
            event.tenant_id,
        )
        for event in events
    ]
    # One by one: inside the caller's pipeline that is no round trip more, and it is mostly one
    # event.
    for row in rows:
        conn.execute(_INSERT, row)


def select_unpublished(
    conn: Connection, *, limit: int, in_flight: Sequence[UUID]
) -> list[OutboxRow]:
    """Read the next rows to publish.

    Runs on the connection that holds the publisher lock: if that backend dies, the batch fails
    with it. Never commits.

    Args:
        in_flight: events handed to the producer whose acknowledgement is still out.

    Returns:
        At most `limit` rows with published_at null, oldest created_at first; empty when idle.

    Raises:
        psycopg.OperationalError: the backend is gone, and the lock with it.

    Source:
        PostgreSQL manual, 13.3.5 Advisory Locks.
    """
    with conn.cursor(row_factory=class_row(OutboxRow)) as cursor:
        return cursor.execute(
            SELECT_UNPUBLISHED, {"limit": limit, "in_flight": list(in_flight)}
        ).fetchall()


def holds(conn: Connection, event_id: UUID) -> bool:
    """Whether the event was ever written, published or not."""
    row = conn.execute("SELECT 1 FROM outbox WHERE event_id = %s", (event_id,)).fetchone()
    return row is not None


def mark_published(conn: Connection, event_ids: Sequence[UUID]) -> int:
    """Set published_at on events the broker has acknowledged; returns how many were unmarked."""
    return conn.execute(
        "UPDATE outbox SET published_at = clock_timestamp()"
        " WHERE event_id = ANY (%s) AND published_at IS NULL",
        (list(event_ids),),
    ).rowcount
