"""What the last seconds brought, of a database that holds older things and unfinished ones."""

from __future__ import annotations

import pytest

from bookpayctl.watch.pace import PaceError, read_pace
from tests.support.publishing import write_event
from tests.support.stack import Database


def order(database: Database, order_id: str, *, ago: str, took: str = "1 s") -> None:
    """An order that was paid so long ago, some time after it was placed."""
    database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, status, created_at) VALUES"
        " (%s, 'acme', 4200, 'usd', 'paid', clock_timestamp() - %s::interval - %s::interval)",
        *(order_id, ago, took),
    )
    database.run(
        "INSERT INTO order_events (order_id, to_state, cause, at)"
        " VALUES (%s, 'paid', 'test', clock_timestamp() - %s::interval)",
        *(order_id, ago),
    )


def call(database: Database, status: int | None) -> None:
    database.run(
        "INSERT INTO stripe_calls (operation, status, started_at, answered_at) VALUES"
        " ('charge', %s::int, clock_timestamp() - interval '50 ms',"
        "  CASE WHEN %s::int IS NOT NULL THEN clock_timestamp() END)",
        *(status, status),
    )


def test_what_came_lately_is_counted_and_what_came_before_is_not(database: Database) -> None:
    for number in range(20):
        order(database, f"ord_{number}", ago="1 s", took="20 s")
    order(database, "ord_old", ago="2 minutes", took="5 minutes")
    for status in (200, 402, 429, 503, None):
        call(database, status)
    write_event(database)

    pace = read_pace(database.dsn)

    assert (pace.seconds, pace.paid_per_second, pace.placed_per_second) == (10.0, 2.0, 0.0)
    assert pace.paid.p99_ms == pytest.approx(20_000, abs=5_000)
    assert (pace.stripe_per_second, pace.stripe_refused, pace.stripe_unanswered) == (0.4, 2, 1)
    assert pace.unpublished == 1


def test_of_nothing_there_is_no_latency(database: Database) -> None:
    pace = read_pace(database.dsn)

    assert (pace.paid.p50_ms, pace.stripe.p99_ms) == (None, None)
    assert (pace.paid_per_second, pace.unpublished, pace.hits) == (0.0, 0, ())


def test_a_database_without_our_tables_is_told_of(empty_dsn: str) -> None:
    with pytest.raises(PaceError, match="the database does not say: relation"):
        read_pace(empty_dsn)
