"""Who leads the publishers, as PostgreSQL's own tables of locks and of replication slots show it.

Source: PostgreSQL manual, 52.12 pg_locks: a bigint key is shown as two unsigned halves, with
objsubid 1, in the database it was taken in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

from bookpayctl.clients.database import Connection
from runtime.domain.names import PUBLISHER_LOCK_KEY, SLOT_PREFIX

HOLDERS: Final[LiteralString] = (
    "SELECT held.pid FROM pg_locks AS held"
    " JOIN pg_database AS here ON here.oid = held.database AND here.datname = current_database()"
    " WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1"
    " AND ((held.classid::int8 << 32) | held.objid::int8) = %s"
)


# A slot is the server's and not a database's: its name ends with the database's number. Who streams
# it is a process of the server's own, beside the session that holds the lock. A slot without a
# position is being made.
_SLOT: Final[LiteralString] = (
    "SELECT CASE WHEN confirmed_flush_lsn IS NOT NULL THEN active_pid END, wal_status = 'lost',"
    " coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::int8, safe_wal_size"
    " FROM pg_replication_slots WHERE slot_name = %s ||"
    " (SELECT oid FROM pg_database WHERE datname = current_database())::text"
)

_READER: Final[LiteralString] = (
    "SELECT slot_name, active_pid FROM pg_replication_slots WHERE slot_name = %s ||"
    " (SELECT oid FROM pg_database WHERE datname = current_database())::text"
)


@dataclass(frozen=True, slots=True)
class LogSlot:
    """The publisher's replication slot.

    Attributes:
        sender_pid: the server's process that streams it; None while nobody reads it.
        is_lost: the log that it needs is gone.
        kept_bytes: of the write-ahead log, for this slot.
        left_bytes: that may be written before the slot is lost; None where nothing bounds it.
    """

    sender_pid: int | None
    is_lost: bool
    kept_bytes: int
    left_bytes: int | None


def log_slot(conn: Connection) -> LogSlot | None:
    """The slot of this database; None where there is none, as while a publisher polls.

    Raises:
        DatabaseError: the database did not answer.
    """
    row = conn.execute(_SLOT, (SLOT_PREFIX,)).fetchone()
    return LogSlot(*row) if row else None


def lock_holders(conn: Connection) -> tuple[int, ...]:
    """Backend pids of the sessions that hold it: one, or none while nobody leads.

    Raises:
        DatabaseError: the database did not answer.
    """
    return tuple(pid for (pid,) in conn.execute(HOLDERS, (PUBLISHER_LOCK_KEY,)).fetchall())


def slot_reader(conn: Connection) -> tuple[str, int | None] | None:
    """The slot's name, and the server's process that has it; None where there is no slot.

    Raises:
        DatabaseError: the database did not answer.
    """
    row = conn.execute(_READER, (SLOT_PREFIX,)).fetchone()
    return None if row is None else (str(row[0]), row[1])


def drop_slot(conn: Connection, name: str) -> None:
    """Drop a slot that nobody reads; the log that was kept for it goes.

    Raises:
        DatabaseError: it is read, or the role may not.
    """
    conn.execute("SELECT pg_drop_replication_slot(%s)", (name,))
