"""PostgreSQL as evidence: every table the judge needs, as it was at one instant.

One REPEATABLE READ, READ ONLY transaction on the primary, because a replica's lag looks exactly
like a lost write. Each table is one SELECT in `ours/`, and goes from the server into a file as the
server sends it, so memory does not grow with the shop.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bookpayctl.clients.database import Connection, DatabaseError, reading
from bookpayctl.clients.read_only import copy_csv
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.readers.selects import selects_of

OURS: Final = "bookpayctl.judge.readers"

# Those that a database brought up by an older version does not have yet; there they are empty.
LATER_TABLES: Final = ("outside_refunds", "disputes")


@dataclass(frozen=True, slots=True)
class DatabaseMoment:
    """When and of what the tables were read.

    Attributes:
        read_at: the database's wall clock.
        clock_ahead: how far the environment's clock is ahead of it, by drills.
        version: of the server, as it names itself.
    """

    read_at: datetime
    clock_ahead: timedelta
    version: str


def selects() -> dict[str, str]:
    """The SELECT of each table of ours, by the canonical table that it fills."""
    return selects_of(OURS)


def read_database(dsn: str, ledgers: LedgerWriter) -> DatabaseMoment:
    """Read the whole database side of the judgement.

    Raises:
        DatabaseError: it could not be read, so nothing may be concluded.
        StoreError: what was read could not be kept.
    """
    with reading(dsn) as conn:
        # How times are written is a setting of the server and of the role, too.
        conn.execute("SET datestyle TO 'ISO, YMD'")
        moment = DatabaseMoment(_one_time(conn), _clock_ahead(conn), _version(conn))
        for table_name, select in selects().items():
            if table_name in LATER_TABLES and not _is_there(conn, table_name):
                ledgers.keep(ledgers.sink(table_name))
                continue
            copy_csv(conn, select, ledgers.csv_path(table_name))
            ledgers.keep_csv(table_name)
    return moment


def read_clock(dsn: str) -> datetime:
    """The database's wall clock.

    Raises:
        DatabaseError: it could not be asked.
    """
    with reading(dsn) as conn:
        return _one_time(conn)


def _is_there(conn: Connection, table: str) -> bool:
    found = conn.execute("SELECT to_regclass(%s)", (table,)).fetchone()
    return found is not None and found[0] is not None


def _clock_ahead(conn: Connection) -> timedelta:
    """How far drills have put the environment's clock, and the twin's, ahead of the wall's."""
    row = conn.execute('SELECT "offset" FROM environment_clock').fetchone()
    return row[0] if row else timedelta(0)


def _version(conn: Connection) -> str:
    row = conn.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else "unknown"


def _one_time(conn: Connection) -> datetime:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    if row is None:
        raise DatabaseError("the database did not tell the time")
    return row[0]  # type: ignore[no-any-return]
