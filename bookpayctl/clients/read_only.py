"""A session on a database that is not ours, in which the server lets nothing be written.

The runtime's and our own sessions are in `database`; this one knows no schema of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

from bookpayctl.clients.database import Connection, DatabaseError, connect
from bookpayctl.clients.libpq import place_of

SERVER_MIN: Final = 130_000


class StatementError(ValueError):
    """PostgreSQL does not take a statement; the message is its own."""


@contextmanager
def read_only_session(dsn: str, *, statement_timeout_seconds: int) -> Iterator[Connection]:
    """One REPEATABLE READ, READ ONLY transaction, as the server itself says.

    Raises:
        DatabaseError: no connection, a server that is too old, or one that would let something be
            written.
    """
    try:
        conn = connect(
            dsn,
            # Should anything end this transaction, the next one cannot write either.
            options="-c default_transaction_read_only=on"
            f" -c statement_timeout={statement_timeout_seconds * 1000}",
            application_name="bookpayctl-judge",
        )
    except DatabaseError as error:
        raise type(error)(f"{place_of(dsn)}: {str(error).strip()}") from error
    with conn:
        conn.read_only = True
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        # How times are written is a setting of the server and of the role, too.
        conn.execute("SET LOCAL datestyle TO 'ISO, YMD'")
        if conn.info.server_version < SERVER_MIN:
            raise DatabaseError(
                f"PostgreSQL {value(conn, 'SHOW server_version')} is too old; 13 or later is needed"
            )
        if value(conn, "SHOW transaction_read_only") != "on":
            raise DatabaseError("the server did not make the transaction read-only")
        yield conn


def columns_of(conn: Connection, statement: str) -> list[tuple[str, str, str]]:
    """The columns of one statement, before it runs: name, type and the type's category.

    Raises:
        StatementError: the server does not take it, or it is more than one.
    """
    conn.execute("SAVEPOINT described")
    # Only a prepared statement is held to be one: a plain text may be a list of them.
    result = conn.pgconn.prepare(b"", statement.encode())
    if result.status != ExecStatus.COMMAND_OK:
        told = (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"refused").decode()
        conn.execute("ROLLBACK TO SAVEPOINT described")
        raise StatementError(told)
    shape = conn.pgconn.describe_prepared(b"")
    columns = [((shape.fname(n) or b"").decode(), shape.ftype(n)) for n in range(shape.nfields)]
    kinds = {
        oid: (str(name), str(category))
        for oid, name, category in conn.execute(
            "SELECT oid, typname, typcategory FROM pg_type WHERE oid = ANY(%s)",
            [[oid for _, oid in columns]],
        ).fetchall()
    }
    return [(name, *kinds.get(oid, ("unknown", "X"))) for name, oid in columns]


def copy_csv(conn: Connection, select: str, path: Path) -> None:
    """Write what a SELECT gives into a file, as the server sends it.

    Raises:
        DatabaseError: it could not be run to its end.
    """
    statement = f"COPY ({select}) TO STDOUT (FORMAT csv, HEADER)".encode()
    with conn.cursor() as cursor, path.open("wb") as file, cursor.copy(statement) as rows:
        for part in rows:
            file.write(part)


def rows(conn: Connection, question: str) -> list[tuple[Any, ...]]:
    """The whole answer to a question that has few rows."""
    return conn.execute(question.encode()).fetchall()


def value(conn: Connection, question: str) -> Any:
    """The one value that answers a question; None without a row."""
    found = rows(conn, question)
    return found[0][0] if found else None
