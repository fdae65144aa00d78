"""Dead letters: what could not be processed, kept with its reason until someone looks."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from runtime import metrics
from runtime.domain.event import Record
from runtime.domain.names import Header


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One row, locked.

    Attributes:
        is_record: a Kafka record, as against an event known by its id alone.
    """

    row_id: int
    source: str
    event_id: UUID | None
    is_record: bool
    resolved: bool


def insert_record(conn: Connection, *, source: str, reason: str, record: Record) -> None:
    """Keep a Kafka record; the same record met again is the same dead letter.

    Its event is kept beside it when a header names one, so that the outbox can publish it again.
    """
    conn.execute(
        # A record that is read again, after a crash or by a reset of offsets, meets its own row:
        # the place in the topic is unique.
        "INSERT INTO dead_letters (source, reason, event_id, source_topic, source_partition,"
        " source_offset, payload) VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            source,
            reason,
            _event_id(record),
            *(record.topic, record.partition, record.offset, record.value),
        ),
    )
    metrics.DEAD_LETTERS.labels(source, reason).inc()


def _event_id(record: Record) -> UUID | None:
    try:
        return UUID(record.headers.get(Header.EVENT_ID, ""))
    # A header that is no id costs the way back to the outbox, never the dead letter.
    except ValueError:
        return None


def insert_event(
    conn: Connection, *, source: str, reason: str, event_id: UUID, error: str = ""
) -> None:
    """Keep an event by its id, such as an outbox row that can never be published.

    An event that failed, was driven again and failed again is one dead letter, open once more.
    """
    conn.execute(
        "INSERT INTO dead_letters (source, reason, event_id, error) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (source, event_id) WHERE source_offset IS NULL AND event_id IS NOT NULL"
        " DO UPDATE SET reason = excluded.reason, error = excluded.error,"
        " created_at = excluded.created_at, resolved_at = NULL",
        # A driver's message may quote the whole row; what a person needs stands at its beginning.
        (source, reason, event_id, _storable(error[:500])),
    )
    metrics.DEAD_LETTERS.labels(source, reason).inc()


def _storable(text: str) -> str:
    """As PostgreSQL's text can hold it: what is wrong with a record may be quoted in its error."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def lock(conn: Connection, row_id: int) -> DeadLetter | None:
    """Read one dead letter and hold its row until the transaction ends."""
    with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(
            "SELECT id AS row_id, source, event_id, source_offset IS NOT NULL AS is_record,"
            " resolved_at IS NOT NULL AS resolved FROM dead_letters WHERE id = %s FOR UPDATE",
            (row_id,),
        ).fetchone()


def resolve(conn: Connection, row_id: int) -> None:
    """Nobody has to look at it any more."""
    conn.execute("UPDATE dead_letters SET resolved_at = clock_timestamp() WHERE id = %s", (row_id,))


def resolve_event(conn: Connection, *, source: str, event_id: UUID) -> None:
    """The same, by the event it keeps; without one, nothing happens."""
    conn.execute(
        # Without source_offset: a Kafka record of the same event is another dead letter, whose
        # cause need not be gone.
        "UPDATE dead_letters SET resolved_at = clock_timestamp()"
        " WHERE source = %s AND event_id = %s AND source_offset IS NULL AND resolved_at IS NULL",
        (source, event_id),
    )
