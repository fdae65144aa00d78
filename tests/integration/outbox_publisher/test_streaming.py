"""The publisher that is told by the log: its slot is the lock, and polling stands in for it."""

from __future__ import annotations

import json
import signal
from uuid import UUID, uuid4

import psycopg
import pytest

from runtime.domain.names import PublisherMode
from runtime.faults.names import INAPPLICABLE, Action, Failpoint
from tests.support.processes import ServiceProcess
from tests.support.publishing import (
    EVENT_TYPE,
    TOPIC,
    Publishers,
    is_published,
    published,
    write_event,
)
from tests.support.records import headers_in
from tests.support.stack import Database, connect
from tests.support.waiting import eventually

WAL = PublisherMode.WAL

# The server waits four seconds for a word of who streams; a look of a standby comes on top. Twice
# as much is time for a machine that does something else as well.
TAKEOVER_SECONDS_MAX = 10.0

# One that is being made is active, too, and has no position yet.
SLOT = (
    "SELECT slot_name, CASE WHEN confirmed_flush_lsn IS NOT NULL THEN active_pid END"
    " FROM pg_replication_slots WHERE database = current_database()"
)


def streamed_by(database: Database) -> int | None:
    """The server's process that streams the slot."""
    rows = database.rows(SLOT)
    return rows[0][1] if rows else None


def wait_until_streamed(database: Database, *, not_by: int | None = None) -> int:
    return eventually(
        lambda: pid if (pid := streamed_by(database)) not in (None, not_by) else None,
        "the outbox is streamed",
    )


def leader_of(database: Database, processes: list[ServiceProcess]) -> ServiceProcess:
    (name,) = database.rows("SELECT publisher_id FROM publisher_terms WHERE ended_at IS NULL")[0]
    return next(process for process in processes if process.name == name)


def all_published(database: Database, events: list[UUID]) -> bool:
    return all(is_published(database, event_id) for event_id in events)


def missing_in_kafka(bootstrap_servers: str, events: list[UUID]) -> list[UUID]:
    found = published(bootstrap_servers)
    return [event_id for event_id in events if event_id not in found]


def test_events_from_before_and_after_the_slot_are_published_and_marked(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    before = [write_event(database) for _ in range(50)]
    publishers(1, mode=WAL)
    meanwhile = [write_event(database) for _ in range(50)]
    wait_until_streamed(database)
    after = [write_event(database) for _ in range(50)]

    eventually(lambda: all_published(database, before + meanwhile + after), "every event is marked")

    found = published(bootstrap_servers)
    assert [event for event in before + meanwhile + after if event not in found] == []
    assert {len(found[event]) for event in after} == {1}


def test_a_long_backlog_is_handed_over_whole(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    database.run(
        "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id)"
        " SELECT gen_random_uuid(), 'payments', n::text, %s, '{}', 'acme'"
        " FROM generate_series(1, 20000) AS n",
        EVENT_TYPE,
    )
    publishers(1, mode=WAL)
    meanwhile = [write_event(database) for _ in range(50)]
    wait_until_streamed(database)

    unpublished = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
    eventually(lambda: database.value(unpublished) == 0, "every event is marked")
    assert missing_in_kafka(bootstrap_servers, meanwhile) == []


def test_an_event_whose_acknowledgement_was_lost_is_published_again(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    publishers(1, mode=WAL)
    wait_until_streamed(database)
    database.arm(Failpoint.PUBLISHER_PRODUCED_ACK_LOST.value, "exectimeout")

    event_id = write_event(database)

    eventually(lambda: is_published(database, event_id), "the event is marked")
    assert len(published(bootstrap_servers)[event_id]) == 2


def test_records_are_in_the_order_of_the_commits_and_not_of_the_rows_dates(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    publishers(1, mode=WAL)
    wait_until_streamed(database)
    root, late, early = uuid4(), uuid4(), uuid4()

    def insert(conn: psycopg.Connection, event_id: UUID) -> None:
        payload = json.dumps({"event_id": str(event_id), "root_event_id": str(root)})
        conn.execute(
            "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id)"
            " VALUES (%s, 'payments', %s, %s, %s, 'acme')",
            (event_id, str(root), EVENT_TYPE, payload),
        )

    with connect(database.dsn) as first, connect(database.dsn) as second:
        first.autocommit = second.autocommit = False
        insert(first, late)
        insert(second, early)
        second.commit()
        eventually(lambda: is_published(database, early), "what was committed is published")
        first.commit()
    eventually(lambda: is_published(database, late), "the other one is published, too")

    order = [UUID(headers["event_id"]) for headers in headers_in(bootstrap_servers, TOPIC)]
    assert [one for one in order if one in (late, early)] == [early, late]


def test_while_another_transaction_writes_the_events_go_on(
    database: Database, publishers: Publishers
) -> None:
    with connect(database.dsn) as other:
        other.autocommit = False
        other.execute("CREATE TEMPORARY TABLE held (n int) ON COMMIT DROP")
        other.execute("INSERT INTO held SELECT pg_current_xact_id()::text::int")
        publishers(1, mode=WAL)

        event_id = write_event(database)

        eventually(lambda: is_published(database, event_id), "the event is published")
        assert streamed_by(database) is None
        other.rollback()
    wait_until_streamed(database)


def test_when_the_leader_is_killed_a_standby_streams_on_and_nothing_is_lost(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    processes = publishers(3, mode=WAL)
    sender = wait_until_streamed(database)
    events = [write_event(database) for _ in range(100)]

    leader_of(database, processes).kill()
    events += [write_event(database) for _ in range(100)]

    eventually(
        lambda: all_published(database, events), "every event is marked", TAKEOVER_SECONDS_MAX
    )
    assert wait_until_streamed(database, not_by=sender)
    assert missing_in_kafka(bootstrap_servers, events) == []
    assert database.value("SELECT count(*) FROM publisher_terms WHERE ended_at IS NULL") == 1


def test_a_leader_that_is_frozen_loses_the_slot_to_a_standby(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    processes = publishers(2, mode=WAL)
    wait_until_streamed(database)
    frozen = leader_of(database, processes)
    frozen.signal(signal.SIGSTOP)
    try:
        event_id = write_event(database)

        eventually(
            lambda: is_published(database, event_id), "a standby leads", TAKEOVER_SECONDS_MAX
        )
    finally:
        frozen.signal(signal.SIGCONT)
    later = write_event(database)
    eventually(lambda: is_published(database, later), "the next event is published")

    terms = [int(headers["publisher_term"]) for headers in published(bootstrap_servers)[event_id]]
    assert max(terms) > 1
    assert leader_of(database, processes) is not frozen


@pytest.mark.parametrize("action", ["exit", "dropconn", "exectimeout"])
@pytest.mark.parametrize(
    "point",
    [
        Failpoint.PUBLISHER_FETCHED_BEFORE_PRODUCE,
        Failpoint.PUBLISHER_PRODUCED_ACK_LOST,
        Failpoint.PUBLISHER_ACKED_BEFORE_MARK,
        Failpoint.PUBLISHER_MARKED,
    ],
)
def test_whatever_breaks_at_a_step_of_the_stream_the_event_is_published_and_marked(
    point: Failpoint,
    action: str,
    database: Database,
    publishers: Publishers,
    bootstrap_servers: str,
) -> None:
    if (point, Action(action)) in INAPPLICABLE:
        pytest.skip(INAPPLICABLE[point, Action(action)])
    publishers(2, mode=WAL)
    wait_until_streamed(database)
    database.arm(point.value, action)

    events = [write_event(database) for _ in range(20)]

    hits = "SELECT count(*) FROM failpoint_hits WHERE point = %s"
    eventually(lambda: database.value(hits, point.value), "the point is hit")
    eventually(lambda: all_published(database, events), "every event is marked")
    assert missing_in_kafka(bootstrap_servers, events) == []


@pytest.mark.parametrize("times", [1, 2])
def test_when_the_slot_is_gone_polling_takes_its_place_and_makes_it_again(
    times: int, database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    publishers(2, mode=WAL)
    events = []
    for _ in range(times):
        wait_until_streamed(database)
        events += [write_event(database) for _ in range(50)]
        eventually(lambda: _slot_is_dropped(database), "the slot is dropped")
        events += [write_event(database) for _ in range(50)]

    eventually(lambda: all_published(database, events), "every event is marked")
    wait_until_streamed(database)
    last = write_event(database)
    eventually(lambda: is_published(database, last), "the new stream is read")
    assert missing_in_kafka(bootstrap_servers, [*events, last]) == []


def _slot_is_dropped(database: Database) -> bool:
    database.rows(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
        " WHERE database = current_database() AND active"
    )
    try:
        return bool(
            database.rows(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE database = current_database()"
            )
        )
    except psycopg.errors.ObjectInUse:
        return False


def test_an_event_whose_mark_was_taken_back_is_published_again(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    publishers(1, mode=WAL)
    wait_until_streamed(database)
    event_id = write_event(database)
    eventually(lambda: is_published(database, event_id), "the event is published")

    database.run("UPDATE outbox SET published_at = NULL WHERE event_id = %s", event_id)

    eventually(lambda: is_published(database, event_id), "it is published again")
    assert len(published(bootstrap_servers)[event_id]) == 2


def test_an_event_that_no_record_can_carry_gets_a_dead_letter_and_the_next_one_is_published(
    database: Database, publishers: Publishers
) -> None:
    publishers(1, mode=WAL)
    wait_until_streamed(database)
    unknown = write_event(database, event_type="OrderTeleported")
    large = write_event(database, payload={"text": "x" * 950_000})
    good = write_event(database)

    eventually(lambda: is_published(database, good), "the good one is published")
    rows = eventually(
        lambda: found if len(found := database.rows(LETTERS)) == 2 else None,
        "both have their dead letters",
    )
    assert dict(rows) == {unknown: "unknown_event_type", large: "too_large"}


LETTERS = "SELECT event_id, reason FROM dead_letters WHERE source = 'outbox'"


def test_a_slot_that_nothing_comes_by_moves_on_with_the_log(
    database: Database, publishers: Publishers
) -> None:
    publishers(1, mode=WAL)
    wait_until_streamed(database)
    written = database.value("SELECT pg_current_wal_lsn()")
    database.run("CREATE TABLE elsewhere AS SELECT n FROM generate_series(1, 10000) AS n")

    confirmed = (
        "SELECT confirmed_flush_lsn > %s FROM pg_replication_slots"
        " WHERE database = current_database()"
    )
    eventually(lambda: database.value(confirmed, written), "the slot is past what was written")


def test_a_publisher_that_polls_leaves_no_slot_that_would_keep_the_log(
    database: Database, publishers: Publishers
) -> None:
    (streaming,) = publishers(1, mode=WAL)
    wait_until_streamed(database)
    streaming.stop()

    publishers(1)

    eventually(lambda: not database.rows(SLOT), "the slot is dropped")
    event_id = write_event(database)
    eventually(lambda: is_published(database, event_id), "the event is published")
