"""Every time that PostgreSQL can hold is read, so that no row hides the rows it came with."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from runtime.adapters.store.database import FAR_FUTURE, FAR_PAST, connect, open_pool
from tests.support.stack import Database

TODAY = datetime(2026, 2, 28, 12, 30, 15, 250000, tzinfo=UTC)


def read(conn: psycopg.Connection, text: str) -> list[datetime]:
    """A time in a column of its own and in an array, beside one that anybody can read."""
    query = "SELECT %s::timestamptz, ARRAY[%s::timestamptz], '2026-02-28 12:30:15.25Z'::timestamptz"
    alone, (inside,), neighbour = conn.execute(query, (text, text)).fetchall()[0]
    assert neighbour == TODAY
    assert alone == inside
    return [alone]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("infinity", FAR_FUTURE),
        ("-infinity", FAR_PAST),
        ("294276-12-31 23:59:59.999999Z", FAR_FUTURE),
        ("10000-01-01 00:00:00Z", FAR_FUTURE),
        ("4713-01-01 00:00:00Z BC", FAR_PAST),
        ("9999-12-31 23:59:59.999999Z", FAR_FUTURE),
        ("0001-01-01 00:00:00Z", FAR_PAST),
        ("2026-02-28 12:30:15.25Z", TODAY),
    ],
)
def test_a_time_that_python_cannot_hold_is_read_as_the_first_or_the_last_it_can(
    database: Database, text: str, expected: datetime
) -> None:
    own = connect(database.dsn, "suite")
    with open_pool(database.dsn, "suite", size_max=1) as pool, pool.connection() as pooled:
        assert read(own, text) == read(pooled, text) == [expected]
    own.close()
