"""A publisher that is to stream the log and may not: it polls, says why, and tells what is kept.

On PostgreSQLs of their own, because what is refused here is refused by a server's settings or by
its roles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from runtime.adapters.store.replication import Replication
from runtime.domain.names import SLOT_PREFIX, PublisherMode
from runtime.sql import migrate
from tests.support.http_client import http
from tests.support.processes import ServiceProcess
from tests.support.publishing import Publishers, is_published, publishers_on, write_event
from tests.support.servers import running_servers
from tests.support.stack import Database, connect
from tests.support.waiting import eventually

WAL: Final = PublisherMode.WAL
INSTEAD: Final = "the outbox is polled and not streamed: "

HERE: Final = " WHERE database = current_database()"
SLOTS: Final = "SELECT slot_name, wal_status FROM pg_replication_slots" + HERE
LEFT: Final = "bookpay_outbox_slot_left_bytes"
MADE_BY_ANOTHER: Final = (
    f"SELECT pg_create_logical_replication_slot('{SLOT_PREFIX}' || oid, 'pgoutput')"
    " FROM pg_database WHERE datname = current_database()"
)
MAY_NOT_REPLICATE: Final = ("ALTER ROLE bookpay NOREPLICATION",)

MEGABYTE: Final = 1024 * 1024

# What is beyond it is given up at the next checkpoint, which so little log brings soon.
LITTLE_LOG: Final = {
    "max_slot_wal_keep_size": "32MB",
    "max_wal_size": "32MB",
    "min_wal_size": "32MB",
}


@contextmanager
def database_on(
    directory: Path,
    *,
    settings: Mapping[str, str] | None = None,
    as_superuser: Sequence[str] = (),
) -> Iterator[Database]:
    """A migrated database of a PostgreSQL of its own, which a second call finds again."""
    with running_servers(
        directory, with_kafka=False, settings=settings, as_superuser=as_superuser
    ) as servers:
        migrate(servers.dsn)
        database = Database(servers.dsn)
        try:
            yield database
        finally:
            database.conn.close()


def measured(process: ServiceProcess, name: str) -> float | None:
    """The value of a metric, with whatever labels; None where there is no series."""
    text = http.request("GET", f"{process.url}/metrics").body.decode()
    lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    assert len(lines) <= 1, lines
    return float(lines[0].rpartition(" ")[2]) if lines else None


def polls_instead(process: ServiceProcess) -> bool:
    return measured(process, "bookpay_outbox_publisher_polls_instead") == 1


def publishes(database: Database) -> None:
    event_id = write_event(database)
    eventually(lambda: is_published(database, event_id), "the event is published")


def write_much(database: Database) -> None:
    """Ten times as much log as is kept for a slot."""
    for _ in range(32):
        database.rows("SELECT pg_logical_emit_message(false, 'much', repeat('x', 10000000))")


def streams(process: ServiceProcess) -> bool:
    return measured(process, "bookpay_outbox_publisher_streaming") == 1


@pytest.mark.parametrize(
    ("settings", "as_superuser", "reason"),
    [
        ({"wal_level": "replica"}, (), "wal_level"),
        ({}, MAY_NOT_REPLICATE, "REPLICATION"),
        ({"max_replication_slots": "0"}, (), "max_replication_slots"),
        ({"max_wal_senders": "0"}, (), "max_wal_senders"),
    ],
    ids=["wal-level", "role", "slots", "senders"],
)
def test_where_the_log_may_not_be_streamed_the_outbox_is_polled_and_the_log_says_why(
    settings: Mapping[str, str],
    as_superuser: Sequence[str],
    reason: str,
    bootstrap_servers: str,
    tmp_path: Path,
) -> None:
    with (
        database_on(tmp_path / "server", settings=settings, as_superuser=as_superuser) as database,
        publishers_on(database, bootstrap_servers, tmp_path) as publishers,
    ):
        (process,) = publishers(1, mode=WAL)

        publishes(database)

        eventually(lambda: INSTEAD in process.log, "the publisher says that it polls")
        said = next(line for line in process.log.splitlines() if INSTEAD in line)
        assert reason in said
        assert polls_instead(process)
        assert not streams(process)
        assert database.rows(SLOTS) == []


def test_who_streams_and_who_was_never_asked_to_do_not_poll_instead(
    database: Database, publishers: Publishers
) -> None:
    (asked,) = publishers(1, mode=WAL)
    eventually(lambda: streams(asked), "the outbox is streamed")
    kept = eventually(lambda: measured(asked, LEFT), "the slot is measured")

    assert not polls_instead(asked)
    assert kept > 0
    asked.stop()

    (never_asked,) = publishers(1)
    publishes(database)

    assert not polls_instead(never_asked)
    eventually(
        lambda: measured(never_asked, LEFT) is None,
        "there is no slot to measure",
    )


@pytest.mark.parametrize("mode", PublisherMode)
def test_a_slot_that_may_not_be_dropped_is_measured_until_it_is_lost(
    mode: PublisherMode, bootstrap_servers: str, tmp_path: Path
) -> None:
    with database_on(tmp_path / "server") as database:
        database.rows(MADE_BY_ANOTHER)
    with (
        database_on(
            tmp_path / "server", settings=LITTLE_LOG, as_superuser=MAY_NOT_REPLICATE
        ) as database,
        publishers_on(database, bootstrap_servers, tmp_path, leave_slots=True) as publishers,
    ):
        (process,) = publishers(1, mode=mode)
        publishes(database)
        left = eventually(lambda: measured(process, LEFT), "the slot is measured")
        assert left < 64 * MEGABYTE

        write_much(database)

        eventually(lambda: measured(process, LEFT) == 0, "nothing is left of the log")
        assert [status for _, status in database.rows(SLOTS)] == ["lost"]
        assert polls_instead(process) is (mode is WAL)
        publishes(database)


def test_a_slot_that_is_lost_is_made_again_and_events_go_on_meanwhile(
    bootstrap_servers: str, tmp_path: Path
) -> None:
    with (
        database_on(tmp_path / "server", settings=LITTLE_LOG) as database,
        publishers_on(database, bootstrap_servers, tmp_path) as publishers,
    ):
        (process,) = publishers(1, mode=WAL)
        eventually(lambda: streams(process), "the outbox is streamed")
        with connect(database.dsn) as other:
            # A slot keeps the log from the oldest transaction on that writes.
            other.autocommit = False
            other.execute("CREATE TEMPORARY TABLE held (n int)")
            write_much(database)
            eventually(lambda: polls_instead(process), "the slot is lost")
            publishes(database)
            other.rollback()

        eventually(lambda: streams(process), "there is another slot, and it is streamed")
        assert not polls_instead(process)
        publishes(database)


def test_a_publisher_that_polls_drops_a_slot_that_was_still_read_when_it_began_to_lead(
    database: Database, publishers: Publishers
) -> None:
    database.rows(MADE_BY_ANOTHER)
    stream = Replication.open(database.dsn, "another")
    stream.start(database.value("SELECT slot_name FROM pg_replication_slots" + HERE))
    publishers(1)
    publishes(database)
    assert database.rows("SELECT active FROM pg_replication_slots" + HERE) == [(True,)]

    stream.close()

    eventually(
        lambda: not database.rows("SELECT 1 FROM pg_replication_slots" + HERE),
        "the slot is dropped",
    )
