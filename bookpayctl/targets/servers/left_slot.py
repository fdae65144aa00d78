"""The slot by which publishers streamed the log, where none of them will: dropped, or told of.

PostgreSQL keeps its log for a slot that nobody reads, until it gives the slot up or the disk is
full. Call it when the publishers of before are stopped. A slot that may not be dropped is no reason
to keep a shop closed: what is said then names what is left to do.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.clients.database import DatabaseError, connect
from bookpayctl.clients.publisher_lock import drop_slot, slot_reader
from bookpayctl.runs.waiting import wait_until

PATIENCE_SECONDS: Final = 10.0
"""The server notices within four that who streamed is gone without a word."""


def leave_no_slot(dsn: str, *, patience_seconds: float = PATIENCE_SECONDS) -> str:
    """Drop the publishers' slot of this database.

    Args:
        patience_seconds: how long one that is still read is waited for.

    Returns:
        What became of it, for people; empty where there is none.

    Raises:
        DatabaseError: the database does not answer.
    """
    with connect(dsn, autocommit=True) as conn:
        waited = wait_until(
            lambda: slot_reader(conn),
            lambda found: found is None or found[1] is None,
            deadline_seconds=patience_seconds,
        )
        if waited.value is None:
            return ""
        name, reader = waited.value
        if reader is not None:
            return f"slot {name} stays: backend {reader} still reads it; {_what_is_left(name)}"
        try:
            drop_slot(conn, name)
        except DatabaseError as error:
            if conn.closed or conn.broken:
                raise
            why = str(error).strip().splitlines()[0]
            return f"slot {name} stays: {why}; {_what_is_left(name)}"
        return f"slot {name} is dropped: nobody streams the log any more"


def _what_is_left(name: str) -> str:
    return f"log is kept for it until SELECT pg_drop_replication_slot('{name}')"
