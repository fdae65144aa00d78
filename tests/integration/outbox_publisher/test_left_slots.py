"""What `up` does of the slot that publishers streamed the log by, where none of them will."""

from __future__ import annotations

from pathlib import Path

from bookpayctl.targets.servers.left_slot import leave_no_slot
from runtime.adapters.store.replication import Replication
from runtime.domain.names import PublisherMode
from tests.support.publishing import Publishers
from tests.support.servers import running_servers
from tests.support.stack import Database
from tests.support.waiting import eventually

SLOTS = "SELECT slot_name, active FROM pg_replication_slots WHERE database = current_database()"
STREAMED = SLOTS + " AND active AND confirmed_flush_lsn IS NOT NULL"
MADE_BY_HAND = (
    "SELECT pg_create_logical_replication_slot('bookpay_outbox_' || oid, 'pgoutput')"
    " FROM pg_database WHERE datname = current_database()"
)


def test_it_is_dropped_and_named_when_nobody_reads_it_any_more(
    database: Database, publishers: Publishers
) -> None:
    (process,) = publishers(1, mode=PublisherMode.WAL)
    ((name, _),) = eventually(lambda: database.rows(STREAMED), "the outbox is streamed")
    process.kill()

    said = leave_no_slot(database.dsn)

    assert said == f"slot {name} is dropped: nobody streams the log any more"
    assert database.rows(SLOTS) == []
    assert leave_no_slot(database.dsn) == ""


def test_one_that_is_read_stays_and_who_reads_it_is_told(database: Database) -> None:
    database.rows(MADE_BY_HAND)
    ((name, _),) = database.rows(SLOTS)
    stream = Replication.open(database.dsn, "another")
    stream.start(name)
    backend = stream.conn.info.backend_pid
    try:
        said = leave_no_slot(database.dsn, patience_seconds=0.1)
    finally:
        stream.close()

    assert said.startswith(f"slot {name} stays: backend {backend} still reads it; log is kept")
    assert leave_no_slot(database.dsn).startswith(f"slot {name} is dropped")


def test_the_slot_of_another_kind_of_reader_is_left_alone(database: Database) -> None:
    database.rows("SELECT pg_create_logical_replication_slot('outbox_cdc_of_test', 'pgoutput')")

    said = leave_no_slot(database.dsn)

    assert said == ""
    assert database.rows(SLOTS) == [("outbox_cdc_of_test", False)]
    database.rows("SELECT pg_drop_replication_slot('outbox_cdc_of_test')")


def test_one_that_may_not_be_dropped_is_told_with_what_is_left_to_do(tmp_path: Path) -> None:
    with running_servers(tmp_path / "server", with_kafka=False) as servers:
        database = Database(servers.dsn)
        database.rows(MADE_BY_HAND)
        ((name, _),) = database.rows(SLOTS)
        database.conn.close()
    with running_servers(
        tmp_path / "server",
        with_kafka=False,
        as_superuser=("ALTER ROLE bookpay NOREPLICATION",),
    ) as servers:
        said = leave_no_slot(servers.dsn)

    assert said.startswith(f"slot {name} stays: permission denied")
    assert said.endswith(f"SELECT pg_drop_replication_slot('{name}')")
