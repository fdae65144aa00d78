"""Dead letters: what could not be processed, kept with its reason until someone looks."""

from __future__ import annotations

from uuid import UUID

from psycopg import Connection

from runtime.domain.event import Record


def insert_record(conn: Connection, *, source: str, reason: str, record: Record) -> None:
    """Keep a Kafka record; the same record met again is the same dead letter."""
    conn.execute(
        "INSERT INTO dead_letters (source, reason, source_topic, source_partition, source_offset,"
        " payload) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (source, reason, record.topic, record.partition, record.offset, record.value),
    )


def insert_event(
    conn: Connection, *, source: str, reason: str, event_id: UUID, error: str = ""
) -> None:
    """Keep an event by its id, such as an outbox row that can never be published."""
    conn.execute(
        "INSERT INTO dead_letters (source, reason, event_id, error) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (source, reason, event_id, error[:500]),
    )
