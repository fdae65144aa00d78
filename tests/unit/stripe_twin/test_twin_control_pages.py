"""No answer of the control API is longer than a page, whatever was asked for."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest

from bookpayctl.stripe_twin.control.rows import PAGE_ROWS_MAX, Page, fault_hits, page_of
from bookpayctl.stripe_twin.ledger.store import Column

COLUMNS = "fault_id, action, at, wall_at, request_id, idempotency_key, path, event_id, object_id"


@pytest.fixture
def ledger() -> sqlite3.Connection:
    """One row more than two pages."""
    conn = sqlite3.connect(":memory:")
    conn.execute(f"CREATE TABLE fault_hits (n INTEGER PRIMARY KEY, {COLUMNS})")
    rows = ((number,) for number in range(1, 2 * PAGE_ROWS_MAX + 2))
    conn.executemany("INSERT INTO fault_hits (n) VALUES (?)", rows)
    return conn


def read(ledger: sqlite3.Connection, **query: str) -> Page:
    def select(sql: str, values: Sequence[Column]) -> list[tuple[Column, ...]]:
        return ledger.execute(sql, values).fetchall()

    return page_of(fault_hits, select, query)


def test_no_page_is_longer_than_a_page_and_together_they_are_all(
    ledger: sqlite3.Connection,
) -> None:
    pages = [read(ledger)]
    while pages[-1].has_more:
        pages.append(read(ledger, after=str(pages[-1].rows[-1]["n"])))

    assert [len(page.rows) for page in pages] == [PAGE_ROWS_MAX, PAGE_ROWS_MAX, 1]
    assert [row["n"] for page in pages for row in page.rows] == list(
        range(1, 2 * PAGE_ROWS_MAX + 2)
    )


def test_a_limit_beyond_a_page_is_a_page(ledger: sqlite3.Connection) -> None:
    found = read(ledger, limit=str(10 * PAGE_ROWS_MAX))

    assert (len(found.rows), found.has_more) == (PAGE_ROWS_MAX, True)


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_a_limit_that_is_none_is_refused(ledger: sqlite3.Connection, limit: str) -> None:
    with pytest.raises(ValueError, match=r"limit|invalid literal"):
        read(ledger, limit=limit)
