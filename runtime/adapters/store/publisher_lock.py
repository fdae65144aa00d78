"""Who publishes: a session-level advisory lock, and one row per term of holding it."""

from __future__ import annotations

import select

from psycopg import Connection, OperationalError
from psycopg.pq import ConnStatus

from runtime.domain.names import PUBLISHER_LOCK_KEY, PUBLISHER_STREAM_LOCK_KEY


def try_lock(conn: Connection) -> bool:
    """Try to become the leader on this connection; the lock lives as long as the connection."""
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", (PUBLISHER_LOCK_KEY,)).fetchone()
    return bool(row and row[0])


def note_streaming(conn: Connection) -> None:
    """Say beside the lock that the slot is what counts; it holds as long as the connection."""
    conn.execute("SELECT pg_try_advisory_lock(%s)", (PUBLISHER_STREAM_LOCK_KEY,))


def is_streaming(conn: Connection) -> bool:
    """Whether the leader said so."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND objsubid = 1 AND ((classid::int8 << 32) | objid::int8) = %s"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
        (PUBLISHER_STREAM_LOCK_KEY,),
    ).fetchone()
    return bool(row and row[0])


def refuse_ended(conn: Connection) -> None:
    """Ask nothing of the server; only look whether it has ended the session with the lock.

    Raises:
        psycopg.OperationalError: it has.
    """
    if select.select([conn.pgconn.socket], [], [], 0)[0]:
        conn.pgconn.consume_input()
        if conn.pgconn.status != ConnStatus.OK:
            raise OperationalError("the session that held the publisher lock has ended")


def begin_term(conn: Connection, publisher_id: str) -> int:
    """Record that this connection leads now and end whatever terms were left open.

    Returns:
        The term number, greater than every earlier one.
    """
    with conn.transaction():
        # The publisher's marks may be lost in a crash; the number of a term may not: a second
        # term of the same number could not be told from the first.
        conn.execute("SET LOCAL synchronous_commit = on")
        conn.execute(
            "UPDATE publisher_terms SET ended_at = clock_timestamp() WHERE ended_at IS NULL"
        )
        row = conn.execute(
            "INSERT INTO publisher_terms (publisher_id, backend_pid)"
            " VALUES (%s, pg_backend_pid()) RETURNING term",
            (publisher_id,),
        ).fetchone()
    if row is None:
        raise RuntimeError("INSERT INTO publisher_terms returned no row")
    return int(row[0])


def end_term(conn: Connection, term: int) -> None:
    """Close the term and give the lock back, on an orderly stop."""
    conn.execute(
        "UPDATE publisher_terms SET ended_at = clock_timestamp()"
        " WHERE term = %s AND ended_at IS NULL",
        (term,),
    )
    conn.execute("SELECT pg_advisory_unlock_all()")
