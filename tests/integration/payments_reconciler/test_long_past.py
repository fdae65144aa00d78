"""A reconciler on a shop with a past: what is over is not read again, look after look.

Rows are counted by PostgreSQL, in the transaction that reads them: how many were fetched by an
index or met in a scan.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import psycopg
import pytest

from bookpayctl.targets.backlog import read_ledger
from runtime.adapters.store import database as store
from runtime.adapters.store import far_times, reconcile
from runtime.services.payments_reconciler.missed_events import WaitingOrders
from tests.support.stack import Database

PAST = 5_000
DAYS = 6

# What one look may read of a week's cancelled orders, however many there are.
SLICE = 500

# More than a few of any kind are those of the past.
FEW = 50

_READ = """
    SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)
    FROM pg_stat_xact_user_tables WHERE schemaname = 'bookstore_platform' AND relname = ANY (%s)
"""
_COUNTED = ["payments", "orders", "refunds", "dead_letters", "webhook_quarantine", "outbox"]


@pytest.fixture
def session(database: Database) -> Iterator[psycopg.Connection]:
    """A session as the reconciler has it."""
    with store.connect(database.dsn, "reconciler") as conn:
        yield conn


def read_so_far(conn: psycopg.Connection, *tables: str) -> int:
    """How many rows of these tables the session has read and not told yet; told at its pauses."""
    row = conn.execute(_READ, (list(tables),)).fetchone()
    assert row is not None
    return int(row[0])


def cancel_many(database: Database, count: int) -> None:
    """Orders that were declined and cancelled, as it should be, one after another for days."""
    database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, status, cancel_reason, event_id,"
        " updated_at) SELECT 'ord_' || n, 'acme', 4200, 'usd', 'cancelled', 'declined',"
        " gen_random_uuid(), now() - make_interval(days => %s) * n / %s"
        " FROM generate_series(1, %s) AS n",
        *(DAYS, count, count),
    )
    database.run(
        "INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state,"
        " failure_code) SELECT event_id, id, 'acme', 4200, 'usd', 'failed', 'declined' FROM orders"
    )
    database.run("VACUUM ANALYZE orders")
    database.run("VACUUM ANALYZE payments")


def lose_cancellation(database: Database, order_id: str) -> None:
    """The payment of this order has succeeded, and never heard that the order was cancelled."""
    database.run(
        "UPDATE payments SET state = 'succeeded', payment_intent_id = 'pi_1' WHERE order_id = %s",
        order_id,
    )


def test_a_look_for_missed_events_reads_a_slice_of_the_cancelled_orders(
    database: Database, session: psycopg.Connection
) -> None:
    cancel_many(database, PAST)
    waiting = WaitingOrders()

    for _ in range(3):
        with session.transaction():
            orders, payments = read_so_far(session, "orders"), read_so_far(session, "payments")
            assert waiting.read(session, 0.0) == []
            # Its slice is found by the index, and read.
            assert read_so_far(session, "orders") - orders <= 2 * SLICE + FEW
            assert read_so_far(session, "payments") - payments <= SLICE + FEW


def test_what_was_missed_days_ago_is_found_when_the_week_is_through(
    database: Database, session: psycopg.Connection
) -> None:
    cancel_many(database, PAST)
    lose_cancellation(database, f"ord_{PAST}")
    waiting = WaitingOrders()

    looks = [waiting.read(session, 0.0) for _ in range(2 * ceil(PAST / SLICE))]

    found = [[order.order_id for order in look] for look in looks if look]
    assert found == [[f"ord_{PAST}"]] * 2


def test_what_was_missed_just_now_is_found_at_the_next_look(
    database: Database, session: psycopg.Connection
) -> None:
    cancel_many(database, PAST)
    waiting = WaitingOrders()
    waiting.read(session, 0.0)
    waiting.read(session, 0.0)

    database.run("UPDATE orders SET updated_at = clock_timestamp() WHERE id = 'ord_4000'")
    lose_cancellation(database, "ord_4000")

    assert [order.order_id for order in waiting.read(session, 0.0)] == ["ord_4000"]


def leave_behind(database: Database, count: int) -> None:
    """Payments, refunds, dead letters and quarantined webhooks that nobody has to do with."""
    cancel_many(database, count)
    database.run(
        "INSERT INTO refunds (refund_id, event_id, n, idempotency_key, payment_intent_id,"
        " amount_cents, currency, state) SELECT gen_random_uuid(), event_id, 1, order_id, 'pi_1',"
        " 4200, 'usd', 'succeeded' FROM payments"
    )
    database.run(
        "INSERT INTO dead_letters (source, reason, event_id, resolved_at)"
        " SELECT 'outbox', 'unknown_type', event_id, now() FROM payments"
    )
    database.run(
        "INSERT INTO webhook_quarantine (reason, body, released_at)"
        " SELECT 'amount_mismatch', 'x', now() FROM payments"
    )
    for table in ("refunds", "dead_letters", "webhook_quarantine"):
        database.run(f"VACUUM ANALYZE {table}")


def test_counting_what_waits_reads_nothing_that_is_over(
    database: Database, session: psycopg.Connection
) -> None:
    leave_behind(database, PAST)

    with session.transaction():
        counted = reconcile.open_payments(session) + reconcile.waiting(session)
        far_times.bring_near(session)

        assert sum(entry.count for entry in counted) == 0
        assert read_so_far(session, *_COUNTED) <= FEW


def test_status_reads_nothing_that_is_over(database: Database) -> None:
    leave_behind(database, PAST)
    before = scanned(database)

    facts = read_ledger(database.dsn)

    assert sum(entry.count for entry in facts.waiting) == 0
    # A session's counts are told when it ends.
    assert scanned(database) - before <= FEW


def scanned(database: Database) -> int:
    """Rows of these tables that all sessions that have ended have met in scans, ever."""
    return int(
        database.value(
            "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname = ANY (%s)",
            _COUNTED,
        )
    )


@pytest.mark.parametrize("table", ["outbox", "payments", "orders"])
def test_vacuum_comes_after_a_number_of_dead_rows_and_not_after_a_share_of_the_table(
    database: Database, table: str
) -> None:
    found = database.rows(
        "SELECT option_name, option_value FROM pg_class, pg_options_to_table(reloptions)"
        " WHERE oid = %s::regclass",
        table,
    )

    settings = dict(found)
    assert settings["autovacuum_vacuum_scale_factor"] == "0"
    assert 0 < int(settings["autovacuum_vacuum_threshold"]) <= 100_000
    assert settings["vacuum_index_cleanup"] == "on"
