"""Times that the columns take and no clock shows: whoever reads or counts them goes on."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from bookpayctl.clients.database import reading
from bookpayctl.judge.ledgers.store import open_folder, opened
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.readers.postgres import read_database
from bookpayctl.targets.backlog import read_ledger
from runtime.adapters.store import missed, reconcile
from tests.support.publishing import write_event
from tests.support.stack import Database

TIMES = ("infinity", "-infinity", "294276-12-31", "4713-01-01 BC", "2100-01-01")


def write_order(database: Database, order_id: str, created_at: str) -> None:
    database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, created_at)"
        " VALUES (%s, 'acme', 4200, 'usd', %s)",
        *(order_id, created_at),
    )


def marked(database: Database, published_at: str) -> UUID:
    event_id = write_event(database)
    database.run(
        "UPDATE outbox SET published_at = %s WHERE event_id = %s", *(published_at, event_id)
    )
    return event_id


def test_an_infinite_time_does_not_hide_the_age_of_the_others(database: Database) -> None:
    for number, at in enumerate(("infinity", "-infinity", "2026-03-01")):
        write_order(database, f"ord_{number}", at)

    counted = {entry.what: entry for entry in reconcile.waiting(database.conn)}
    (shown,) = [w for w in read_ledger(database.dsn).waiting if w.what == "orders pending"]

    of_the_third = (datetime.now(UTC) - datetime(2026, 3, 1, tzinfo=UTC)).total_seconds()
    assert counted["orders_pending"].count == 3
    assert counted["orders_pending"].oldest_seconds == pytest.approx(of_the_third, abs=86_400)
    assert shown.oldest_seconds == pytest.approx(of_the_third, abs=86_400)


def test_orders_that_are_all_infinite_have_no_age(database: Database) -> None:
    write_order(database, "ord_1", "infinity")

    counted = {entry.what: entry for entry in reconcile.waiting(database.conn)}

    assert counted["orders_pending"].oldest_seconds == 0
    assert all(math.isfinite(w.oldest_seconds) for w in read_ledger(database.dsn).waiting)


@pytest.mark.parametrize(
    ("published_at", "is_told_again"),
    [
        ("infinity", True),
        ("-infinity", True),
        ("2100-01-01", True),
        ("2026-03-01", True),
        ("now", False),
    ],
)
def test_a_mark_that_says_nothing_of_a_moment_ago_keeps_no_event_back(
    database: Database, published_at: str, *, is_told_again: bool
) -> None:
    event_id = marked(database, published_at)

    told = missed.republish(database.conn, [event_id], window_seconds=3_600)

    assert told == ([event_id] if is_told_again else [])


def test_an_order_dated_ahead_is_looked_after_as_long_as_the_others(database: Database) -> None:
    for at in TIMES:
        write_order(database, f"ord_{at}", at)
    database.run("UPDATE orders SET updated_at = clock_timestamp() - interval '1 hour'")

    waiting = missed.waiting_orders(database.conn, window_seconds=60, limit=100)

    assert {order.order_id for order in waiting} == {f"ord_{at}" for at in TIMES}


def test_the_judge_reads_a_table_that_holds_such_times(database: Database, tmp_path: Path) -> None:
    for at in TIMES:
        write_order(database, f"ord_{at}", at)
        event_id = write_event(database)
        database.run("UPDATE outbox SET created_at = %s WHERE event_id = %s", *(at, event_id))

    with opened() as connection:
        read_database(database.dsn, LedgerWriter(connection, tmp_path))
        open_folder(connection, tmp_path)
        orders = connection.execute(
            "SELECT order_id, EXTRACT(YEAR FROM created_at), unreadable FROM orders ORDER BY 1"
        ).fetchall()
        events = connection.execute("SELECT COUNT(*), COUNT(unreadable) FROM outbox").fetchall()

    assert orders == [
        ("ord_-infinity", None, "created_at"),
        ("ord_2100-01-01", 2100, None),
        ("ord_294276-12-31", None, "created_at"),
        ("ord_4713-01-01 BC", None, "created_at"),
        ("ord_infinity", None, "created_at"),
    ]
    assert events == [(5, 4)]


@pytest.mark.parametrize(
    ("time", "year"),
    [
        ("infinity", 9999),
        ("294276-12-31 00:00+00", 9999),
        ("-infinity", 1),
        ("4713-01-01 00:00+00 BC", 1),
        ("2026-03-01 00:00+00", 2026),
    ],
)
def test_a_time_out_of_range_is_read_as_the_nearest_there_is(
    database: Database, time: str, year: int
) -> None:
    with reading(database.dsn) as conn:
        row = conn.execute("SELECT %s::timestamptz", (time,)).fetchone()

    assert row is not None
    assert row[0].year == year
    assert row[0].tzinfo is not None
