"""Which record a worker was about to take in: the evidence when a record kills its process."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection

from runtime.domain.event import Record


def begin(conn: Connection, record: Record) -> int:
    """Name a record before it is touched, in a transaction of its own.

    Returns:
        How often it was begun and never finished before.
    """
    # The caller commits before it touches the record: the row has to outlive the death that it is
    # the evidence of.
    row = conn.execute(
        'INSERT INTO inbox_suspects AS known (topic, "partition", "offset") VALUES (%s, %s, %s)'
        ' ON CONFLICT (topic, "partition", "offset") DO UPDATE SET starts = known.starts + 1,'
        " last_begun_at = clock_timestamp() RETURNING starts",
        (record.topic, record.partition, record.offset),
    ).fetchone()
    if row is None:
        raise RuntimeError("INSERT ... RETURNING returned nothing")
    # This beginning is no death yet.
    return int(row[0]) - 1


def clear(conn: Connection, records: Sequence[Record]) -> None:
    """These records are stored or buried, in the caller's transaction."""
    for record in records:
        conn.execute(
            'DELETE FROM inbox_suspects WHERE topic = %s AND "partition" = %s AND "offset" = %s',
            (record.topic, record.partition, record.offset),
        )
