"""The two sessions this tool opens on PostgreSQL: one that only reads, one that may write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row

from runtime.domain.names import SCHEMA

T = TypeVar("T")

CONNECT_TIMEOUT_SECONDS: Final = 5


# A judge may read whole tables; a server that needs longer than this is not answering.
STATEMENT_TIMEOUT_MS: Final = 60_000


Connection = psycopg.Connection[Any]

DatabaseError = psycopg.Error
"""What PostgreSQL, or the way to it, answered instead of what was asked for."""


@contextmanager
def reading(dsn: str) -> Iterator[Connection]:
    """A read-only session on the primary, our schema first on the path.

    Raises:
        DatabaseError: no connection within the timeout, or the server is a replica.
    """
    with psycopg.connect(
        dsn,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
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
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5, options=options) as conn:
        yield conn


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
