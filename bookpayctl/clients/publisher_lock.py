"""Who holds the publisher's advisory lock, as PostgreSQL's own table of locks shows it.

Source: PostgreSQL manual, 52.12 pg_locks: a bigint key is shown as two unsigned halves, with
objsubid 1, in the database it was taken in.
"""

from __future__ import annotations

from typing import Final, LiteralString

from bookpayctl.clients.database import Connection
from runtime.domain.names import PUBLISHER_LOCK_KEY

HOLDERS: Final[LiteralString] = (
    "SELECT held.pid FROM pg_locks AS held"
    " JOIN pg_database AS here ON here.oid = held.database AND here.datname = current_database()"
    " WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1"
    " AND ((held.classid::int8 << 32) | held.objid::int8) = %s"
)


def lock_holders(conn: Connection) -> tuple[int, ...]:
    """Backend pids of the sessions that hold it: one, or none while nobody leads.

    Raises:
        DatabaseError: the database did not answer.
    """
    return tuple(pid for (pid,) in conn.execute(HOLDERS, (PUBLISHER_LOCK_KEY,)).fetchall())
