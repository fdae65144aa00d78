"""Whose a database is: the one row of `environment_owner`, which only one can insert."""

from __future__ import annotations

from typing import Final, LiteralString

from psycopg import conninfo

from bookpayctl.clients.database import Connection, DatabaseError, connect
from bookpayctl.clients.publisher_lock import drop_slot, lock_holders, slot_reader
from bookpayctl.targets.local.ownership.claim import (
    Claimant,
    OwnershipUnknownError,
    refused,
    refused_by_signs,
)
from runtime.domain.names import PUBLICATION, SCHEMA

_TABLE: Final[LiteralString] = "bookstore_platform.environment_owner"

# What an environment writes while it works. The rest of the schema is what somebody may have made
# beforehand, and stays: migrations, books, tokens.
WRITTEN: Final[tuple[LiteralString, ...]] = (
    *("dead_letters", "disputes", "events_told_again", "failpoint_hits", "failpoints"),
    *("inbox_suspects", "notifications", "operator_requests", "order_events", "orders", "outbox"),
    *("outside_listings", "outside_refunds", "payment_events"),
    *("payments", "publisher_terms", "refunds", "reservations", "shadow_comparisons"),
    *("stripe_calls", "stripe_events", "webhook_parked", "webhook_quarantine"),
)

_REMEDY: Final = f"DELETE FROM {_TABLE}"  # noqa: S608 - for a person to read


def look(dsn: str, ours: Claimant, *, known: bool) -> bool:
    """Whether the database has our schema; it is then ours, or nobody's. Changes nothing.

    Args:
        known: our own record says that we were up on it, so what is in it is ours.

    Raises:
        OwnedByAnotherError: it is another's.
        OwnershipUnknownError: the database did not say.
    """
    try:
        with connect(dsn) as conn:
            if not _exists(conn, f"{SCHEMA}.outbox"):
                return False
            owner = _owner(conn) if _exists(conn, _TABLE) else None
            signs = "" if known or owner is not None else _signs(conn)
    except DatabaseError as error:
        raise _unknown(dsn, error) from error
    if owner is not None and owner.environment_id != ours.environment_id:
        raise refused(_named(dsn), owner, _REMEDY)
    if signs:
        raise refused_by_signs(_named(dsn), signs, f"DROP SCHEMA {SCHEMA} CASCADE")
    return True


def claim(conn: Connection, dsn: str, ours: Claimant) -> None:
    """Make the database ours, in the caller's transaction, unless another was first.

    Raises:
        OwnedByAnotherError: another was.
    """
    conn.execute(
        f"INSERT INTO {_TABLE} (environment_id, name, folder, host)"  # noqa: S608 - a constant
        " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (ours.environment_id, ours.name, ours.folder, ours.host),
    )
    owner = _owner(conn)
    if owner is None or owner.environment_id != ours.environment_id:
        raise refused(_named(dsn), owner or ours, _REMEDY)


def take(conn: Connection, ours: Claimant) -> None:
    """Write down that our own database is ours, whoever it carried before."""
    conn.execute(
        f"INSERT INTO {_TABLE} (environment_id, name, folder, host)"  # noqa: S608 - a constant
        " VALUES (%s, %s, %s, %s) ON CONFLICT (one) DO UPDATE SET"
        " environment_id = excluded.environment_id, name = excluded.name,"
        " folder = excluded.folder, host = excluded.host",
        (ours.environment_id, ours.name, ours.folder, ours.host),
    )


def release(dsn: str, ours: Claimant, *, made_schema: bool) -> None:
    """Give a database back: without the schema when we made it, else without what we wrote in it.

    Harmless when it is not ours.

    Raises:
        OwnershipUnknownError: the database did not do it; it can be repeated.
    """
    try:
        with connect(dsn) as conn:
            owner = _owner(conn) if _exists(conn, _TABLE) else None
            if owner is None or owner.environment_id != ours.environment_id:
                return
            _drop_slot(conn)
            if made_schema:
                conn.execute("DROP SCHEMA bookstore_platform CASCADE")
            else:
                _empty(conn)
                conn.execute(f"DELETE FROM {_TABLE}")  # noqa: S608 - a constant
    except DatabaseError as error:
        raise _unknown(dsn, error) from error


def _drop_slot(conn: Connection) -> None:
    """Take away what publishers stream by: nobody would read it, and the server would keep log."""
    found = slot_reader(conn)
    if found is not None and found[1] is None:
        drop_slot(conn, found[0])
    conn.execute(f"DROP PUBLICATION IF EXISTS {PUBLICATION}".encode())


def _empty(conn: Connection) -> None:
    """Take our rows out of a schema that was there before us, in the caller's transaction."""
    # A schema that an earlier version made may not have all of them.
    there = [name for name in (f"{SCHEMA}.{table}" for table in WRITTEN) if _exists(conn, name)]
    conn.execute(f"TRUNCATE {', '.join(there)}".encode())
    conn.execute(
        f"UPDATE {SCHEMA}.inventory SET on_hand = initial, reserved = 0, sold = 0"  # noqa: S608
    )
    conn.execute(f"UPDATE {SCHEMA}.environment_clock SET \"offset\" = interval '0'")  # noqa: S608


def _owner(conn: Connection) -> Claimant | None:
    row = conn.execute(
        f"SELECT environment_id::text, name, folder, host FROM {_TABLE}"  # noqa: S608 - a constant
    ).fetchone()
    return Claimant(*row) if row else None


def _exists(conn: Connection, table: str) -> bool:
    row = conn.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    return bool(row and row[0])


def _signs(conn: Connection) -> str:
    """What shows that somebody works in a schema of our name; an empty schema is no sign."""
    if lock_holders(conn):
        return "a publisher holds its lock"
    for table in ("orders", "outbox"):
        if _exists(conn, f"{SCHEMA}.{table}"):
            row = conn.execute(f"SELECT EXISTS (SELECT FROM {SCHEMA}.{table})").fetchone()  # noqa: S608
            if row and row[0]:
                return f"there are rows in {SCHEMA}.{table}"
    return ""


def _named(dsn: str) -> str:
    said = conninfo.conninfo_to_dict(dsn)
    where = f"{said.get('host', 'localhost')}:{said.get('port', 5432)}"
    return f"the database {said.get('dbname', said.get('user', ''))!r} at {where}"


def _unknown(dsn: str, error: Exception) -> OwnershipUnknownError:
    unknown = OwnershipUnknownError(f"{_named(dsn)} does not say whose it is: {str(error).strip()}")
    unknown.fix = "see that it answers with this --dsn, then repeat"
    return unknown
