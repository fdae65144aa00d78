"""The sessions this tool opens on PostgreSQL: one that only reads, one that may write.

`connect` is the one door to PostgreSQL: what the shell exports for libpq passes through none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg.abc import Buffer
from psycopg.rows import class_row
from psycopg.types.datetime import TimestamptzLoader

from bookpayctl.clients import libpq
from runtime.domain.names import SCHEMA

T = TypeVar("T")

CONNECT_TIMEOUT_SECONDS: Final = 5


# A judge may read whole tables; a server that needs longer than this is not answering.
STATEMENT_TIMEOUT_MS: Final = 60_000


Connection = psycopg.Connection[Any]

DatabaseError = psycopg.Error
"""What PostgreSQL, or the way to it, answered instead of what was asked for."""


FIRST_TIME: Final = datetime.min.replace(tzinfo=UTC)
LAST_TIME: Final = datetime.max.replace(tzinfo=UTC)


class BoundedTimeLoader(TimestamptzLoader):
    """Reads a time that Python has no value for as the last or the first one that it has.

    A column takes infinity and the years before 1 and after 9999; one row written so by hand must
    not keep a whole table from being read. What such a time is compared with lies between the two.
    """

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            text = bytes(data)
            early = text.startswith(b"-") or text.endswith(b"BC")
            return FIRST_TIME if early else LAST_TIME


def connect(
    dsn: str,
    *,
    timeout_seconds: int = CONNECT_TIMEOUT_SECONDS,
    options: str = "",
    application_name: str = "bookpayctl",
    autocommit: bool = False,
) -> Connection:
    """One session of the caller's own, made as `dsn` says and as nothing else does.

    Raises:
        DatabaseError: no connection within the timeout.
    """
    conn = psycopg.connect(
        dsn,
        **libpq.parameters(dsn),  # type: ignore[arg-type] # all of them are texts
        connect_timeout=timeout_seconds,
        options=options,
        application_name=application_name,
        autocommit=autocommit,
    )
    _read_any_time(conn)
    return conn


@contextmanager
def reading(dsn: str) -> Iterator[Connection]:
    """A read-only session on the primary, our schema first on the path.

    Raises:
        DatabaseError: no connection within the timeout, or the server is a replica.
    """
    with connect(
        dsn,
        options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c search_path={SCHEMA}",
        application_name="bookpayctl-judge",
    ) as conn:
        conn.read_only = True
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield conn


@contextmanager
def writing(dsn: str) -> Iterator[Connection]:
    """A session that may write and sees our tables; every statement commits by itself."""
    options = f"-c search_path={SCHEMA} -c statement_timeout=5000"
    with connect(dsn, autocommit=True, options=options) as conn:
        yield conn


def _read_any_time(conn: Connection) -> None:
    conn.adapters.register_loader("timestamptz", BoundedTimeLoader)


def rows_of(
    conn: Connection, shape: type[T], statement: LiteralString, values: Mapping[str, Any]
) -> list[T]:
    """The rows of a question as values of `shape`: columns and fields meet by name.

    Raises:
        DatabaseError: the database did not answer.
        TypeError: the question asks for other columns than the shape has.
    """
    with conn.cursor(row_factory=class_row(shape)) as cursor:
        return cursor.execute(statement, values).fetchall()
