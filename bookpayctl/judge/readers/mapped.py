"""A database that is not ours, read by the SELECTs of a mapping, and proven to be only read.

One REPEATABLE READ, READ ONLY transaction, as the server itself says; each SELECT is prepared alone
first, which no second statement survives, and then goes from the server into a file, so that memory
does not grow with the shop. Needs PostgreSQL 13 or later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bookpayctl.clients.database import Connection, DatabaseError
from bookpayctl.clients.read_only import (
    StatementError,
    columns_of,
    copy_csv,
    read_only_session,
    rows,
    value,
)
from bookpayctl.judge.ledgers.absence import Absence
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.mapping.columns import (
    Found,
    literal,
    missing_columns,
    own,
    problems_of,
    select_of,
    source_of,
    words_of,
)
from bookpayctl.judge.mapping.document import Mapping, MappingError, TableMapping
from bookpayctl.judge.mapping.tables import WORDS
from bookpayctl.judge.readers.postgres import DatabaseMoment

WORDS_TOLD: Final = 10

# SQLSTATE classes of what the mapping, or the rights of its role, have to change.
_OF_THE_MAPPING: Final = ("0A", "22", "25", "2F", "3F", "42")

_WRITABLE: Final = """
    SELECT current_user::text, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
        count(*)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema'
        AND n.nspname NOT LIKE 'pg\\_%'
        AND (has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE')
            OR has_table_privilege(c.oid, 'DELETE') OR has_table_privilege(c.oid, 'TRUNCATE'))
"""


@dataclass(frozen=True, slots=True)
class MappedRead:
    """What one read of the database came to."""

    moment: DatabaseMoment
    absent: dict[str, Absence]
    notes: tuple[str, ...]


def read_mapped(
    dsn: str, mapping: Mapping, ledgers: LedgerWriter, salt: str | None = None
) -> MappedRead:
    """Read every table of the mapping, as all were at one instant; `salt` makes it redacted.

    Raises:
        MappingError: it does not fit this database.
        DatabaseError: the database could not be read.
        StoreError: what was read could not be kept.
    """
    zone = mapping.database.time_zone
    with session(dsn, mapping) as conn:
        now, version = value(conn, "SELECT clock_timestamp()"), value(conn, "SHOW server_version")
        moment = DatabaseMoment(now, timedelta(0), str(version))
        notes = [*notes_of_access(conn)]
        found = described(conn, mapping)
        absent: dict[str, Absence] = {}
        for name, table in mapping.tables.items():
            for column in missing_columns(table, found[name]):
                reason = f"the mapping gives no {name}.{column}"
                absent[f"{name}.{column}"] = Absence(reason, chosen=True)
            with _translated(f"tables.{name}"):
                copy_csv(conn, select_of(table, found[name], zone, salt), ledgers.csv_path(name))
                ledgers.keep_csv(name)
                if ledgers.count_unreadable(name):
                    notes += _unknown_words(conn, table, found[name])
    return MappedRead(moment, absent, tuple(notes))


def read_mapped_clock(dsn: str, mapping: Mapping) -> datetime:
    """The database's wall clock.

    Raises:
        MappingError, DatabaseError: as above.
    """
    with session(dsn, mapping) as conn:
        now: datetime = value(conn, "SELECT clock_timestamp()")
        return now


def session(dsn: str, mapping: Mapping) -> AbstractContextManager[Connection]:
    """The transaction in which a mapping's database is read.

    Raises:
        DatabaseError: see `read_only_session`.
    """
    timeout = mapping.database.statement_timeout_seconds
    return read_only_session(dsn, statement_timeout_seconds=timeout)


def described(conn: Connection, mapping: Mapping) -> dict[str, list[Found]]:
    """The columns that each SELECT gives.

    Raises:
        MappingError: some do not fit, all of them named.
    """
    found, told = {}, []
    for name, table in mapping.tables.items():
        try:
            found[name] = describe(conn, table)
        except MappingError as error:
            told.append(str(error))
            continue
        zone = mapping.database.time_zone
        told += [f"tables.{name}: {problem}" for problem in problems_of(table, found[name], zone)]
    if told:
        raise MappingError("; ".join(told))
    columns = {column.name for column in found.get("payments", [])}
    named = mapping.stripe is None or mapping.stripe.order_metadata is not None
    if not named and "payment_intent_id" not in columns:
        raise MappingError(
            "nothing says which order a Stripe object is for: name stripe.order_metadata, or give"
            " tables.payments a column payment_intent_id"
        )
    return found


def describe(conn: Connection, table: TableMapping) -> list[Found]:
    """The columns of one SELECT, as PostgreSQL says before it runs.

    Raises:
        MappingError: PostgreSQL does not take it, or it is more than one statement.
    """
    try:
        return [Found(*one) for one in columns_of(conn, f"SELECT *\n{source_of(table)}")]
    except StatementError as error:
        where = f"database {conn.info.dbname} on {conn.info.host or 'the local socket'}"
        told = f"tables.{table.name}: PostgreSQL says: {error} ({where})"
        raise MappingError(told) from error


def notes_of_access(conn: Connection) -> Iterator[str]:
    """What a reader must know of how the rows were read."""
    if value(conn, "SELECT pg_is_in_recovery()"):
        yield (
            "read from a replica: what it lags behind looks like lost writes; judge its primary"
            " before anything is believed"
        )
    role, is_super, writable = rows(conn, _WRITABLE)[0]
    if is_super:
        yield f"role {role} is a superuser; the audit only read, but one with SELECT alone is safer"
    elif writable:
        yield (
            f"role {role} may write to {writable} tables; the audit only read, but one with SELECT"
            " alone is safer"
        )


def _unknown_words(conn: Connection, table: TableMapping, found: list[Found]) -> Iterator[str]:
    """Words of states that nobody translated: by name, and with how many rows have them."""
    for column in (one.name for one in found if (table.name, one.name) in WORDS):
        known = words_of(table, column) or ()
        listed = ", ".join(map(literal, known)) or "NULL"
        text = f"{own(column)}::text"
        unknown = rows(
            conn,
            f"SELECT {text}, count(*) {source_of(table)}"
            f" WHERE {text} IS NOT NULL AND ({text} IN ({listed})) IS NOT TRUE"
            f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {WORDS_TOLD}",
        )
        if unknown:
            named = ", ".join(f"{word!r} ({count} rows)" for word, count in unknown)
            yield (
                f"{table.name}.{column} has words that the mapping does not translate: {named};"
                f" see tables.{table.name}.translate.{column}"
            )


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """What the mapping must change is its error; what the server lacks stays the server's."""
    try:
        yield
    except DatabaseError as error:
        state = error.sqlstate or ""
        told = (error.diag.message_primary or str(error)).strip()
        if state.startswith(_OF_THE_MAPPING):
            raise MappingError(f"{where}: PostgreSQL says: {told}") from error
        raise type(error)(f"{where}: {told}") from error
