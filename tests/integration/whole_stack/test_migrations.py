"""The schema: made once however often and by however many it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from runtime.sql import MigrationError, migrate, migrations, outbox_ddl
from tests.support.processes import ROOT
from tests.support.stack import Database, connect

OUTBOX_COLUMNS = [
    ("event_id", "uuid", "NO"),
    ("aggregate", "text", "NO"),
    ("aggregate_id", "text", "NO"),
    ("event_type", "text", "NO"),
    ("payload", "jsonb", "NO"),
    ("tenant_id", "text", "NO"),
    ("created_at", "timestamp with time zone", "NO"),
    ("published_at", "timestamp with time zone", "YES"),
]


def columns_of_outbox(dsn: str) -> list[tuple[str, str, str]]:
    with connect(dsn) as conn:
        return conn.execute(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema = 'bookstore_platform' AND table_name = 'outbox'"
            " ORDER BY ordinal_position"
        ).fetchall()


def test_the_outbox_alone_can_be_made_on_an_empty_database_and_made_again(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        for _ in range(2):
            conn.execute(outbox_ddl().encode())

        indexes = conn.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'outbox_unpublished_idx'"
        ).fetchall()

    assert columns_of_outbox(empty_dsn) == OUTBOX_COLUMNS
    assert len(indexes) == 1
    assert "(created_at) WHERE (published_at IS NULL)" in indexes[0][0]


def test_a_migrated_database_is_migrated_again_without_a_change(empty_dsn: str) -> None:
    names = [migration.name for migration in migrations()]

    first, second = migrate(empty_dsn), migrate(empty_dsn)

    assert (first, second) == (names, [])
    assert columns_of_outbox(empty_dsn) == OUTBOX_COLUMNS


def test_a_database_of_before_gets_what_it_does_not_have(database: Database) -> None:
    """Migrations with higher numbers may be there already: others wrote them meanwhile."""
    database.run("DROP TABLE outside_refunds, disputes, outside_listings")
    database.run("ALTER TABLE payments DROP COLUMN outside_check_at")
    database.run("DELETE FROM schema_migrations WHERE number = 5")
    database.run(
        "INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state)"
        " VALUES (gen_random_uuid(), 'o1', 't1', 100, 'usd', 'pending')"
    )

    applied = migrate(database.dsn)

    assert applied == ["0005_money_moved_by_others"]
    assert database.value("SELECT outside_check_at FROM payments") is None


def test_eight_migrations_at_once_are_one(empty_dsn: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        applied = list(threads.map(lambda _: migrate(empty_dsn), range(8)))

    assert sorted(map(len, applied)) == [0] * 7 + [len(migrations())]


def test_a_migration_that_was_edited_after_it_ran_is_refused(database: Database) -> None:
    database.run("UPDATE schema_migrations SET sha256 = 'edited' WHERE number = 1")

    with pytest.raises(MigrationError, match="0001"):
        migrate(database.dsn)


def test_the_command_migrates_and_says_what_it_did(empty_dsn: str) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "runtime", "migrate"],
            env={**os.environ, "DB_DSN": empty_dsn},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )

    first, second = run(), run()

    assert first.stdout.startswith("applied 0001_")
    assert second.stdout == "nothing to apply\n"


def test_the_seeds_five_column_order_can_be_inserted_by_hand(database: Database) -> None:
    database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, status)"
        " VALUES ('o1', 't1', 4999, 'usd', 'pending')"
    )

    assert database.value("SELECT customer_id FROM orders WHERE id = 'o1'") == ""


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments SET state = 'succeeded'",
        "UPDATE payments SET state = 'charging'",
        "UPDATE payments SET state = 'unknown'",
        "UPDATE payments SET state = 'failed'",
        "UPDATE payments SET state = 'splendid'",
        "UPDATE payments SET finished_attempts = 1",
        "UPDATE payments SET amount_cents = 0",
        (
            "INSERT INTO outside_refunds (stripe_refund_id, payment_intent_id, amount_cents,"
            " currency, status) VALUES ('re_1', 'pi_1', 0, 'usd', 'succeeded')"
        ),
        (
            "INSERT INTO disputes (stripe_dispute_id, payment_intent_id, amount_cents, currency,"
            " status, told_at) VALUES ('du_1', 'pi_1', 1, 'usd', '', now())"
        ),
        (
            "INSERT INTO inventory (sku, title, unit_price_cents, currency, initial, on_hand)"
            " VALUES ('s', 't', 1, 'usd', 5, 4)"
        ),
        (
            "INSERT INTO inventory (sku, title, unit_price_cents, currency, initial, on_hand,"
            " reserved) VALUES ('s', 't', 1, 'usd', 0, 1, -1)"
        ),
    ],
)
def test_the_database_itself_refuses_an_impossible_state(
    database: Database, statement: str
) -> None:
    database.run(
        "INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state)"
        " VALUES (gen_random_uuid(), 'o1', 't1', 100, 'usd', 'pending')"
    )

    with pytest.raises(psycopg.errors.CheckViolation):
        database.run(statement)


def test_the_database_itself_refuses_a_second_outcome(database: Database) -> None:
    outcome = (
        "INSERT INTO payment_events (event_id, kind, to_state, cause) VALUES"
        " ('11111111-2222-4333-8444-555555555555', 'outcome', 'succeeded', 'test')"
    )
    database.run(outcome)

    with pytest.raises(psycopg.errors.UniqueViolation):
        database.run(outcome)
