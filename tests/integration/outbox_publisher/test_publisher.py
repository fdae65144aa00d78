"""The outbox publisher: one leads, none skips, and what cannot be published blocks nobody."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.servers.contents import create_topics
from runtime.adapters.store.publisher_lock import try_lock
from runtime.domain.names import PUBLISHER_LOCK_KEY
from tests.support.processes import ServiceProcess, free_port
from tests.support.publishing import (
    EVENT_TYPE,
    Publishers,
    is_published,
    published,
    publishers_on,
    write_event,
)
from tests.support.servers import running_servers
from tests.support.stack import Database, connect
from tests.support.waiting import eventually, holds_for

# A leader publishes within milliseconds; this long it has been held up by something.
WELL_BEYOND_PUBLISHING_SECONDS = 2.0


def leader_of(database: Database, processes: list[ServiceProcess]) -> ServiceProcess:
    """The one whose term is open and whose backend holds the lock."""
    names = database.rows(
        "SELECT publisher_id FROM publisher_terms JOIN pg_locks ON pid = backend_pid"
        " WHERE ended_at IS NULL AND locktype = 'advisory' AND granted"
    )
    assert len(names) == 1, names
    return next(process for process in processes if process.name == names[0][0])


def leader_named(database: Database) -> str:
    wait_for_a_leader(database)
    name: str = database.value("SELECT publisher_id FROM publisher_terms WHERE ended_at IS NULL")
    return name


def wait_for_a_leader(database: Database) -> None:
    eventually(
        lambda: database.rows("SELECT 1 FROM publisher_terms WHERE ended_at IS NULL"),
        "somebody leads",
    )


def test_only_one_of_three_publishers_leads(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    processes = publishers(3)
    wait_for_a_leader(database)

    event_id = write_event(database)

    eventually(lambda: is_published(database, event_id), "the event is published")
    leader = leader_of(database, processes)
    (headers,) = published(bootstrap_servers)[event_id]
    assert headers["publisher_id"] == leader.name
    assert not try_lock(database.conn)


def test_a_publisher_that_is_stopped_marks_all_that_the_broker_has(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    (publisher,) = publishers(1)
    wait_for_a_leader(database)
    first = write_event(database)
    eventually(lambda: is_published(database, first), "it publishes")

    # Up to the signal: what was acknowledged in its last moments had no time to wait for company.
    written = [write_event(database) for _ in range(200)]
    publisher.signal(signal.SIGTERM)
    publisher.wait_end()

    records = published(bootstrap_servers)
    sent = [event_id for event_id in written if event_id in records]
    assert len(sent) > 1
    assert [event_id for event_id in sent if not is_published(database, event_id)] == []


def test_a_record_carries_its_publisher_and_its_term(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    publishers(1)
    event_id = write_event(database)

    eventually(lambda: is_published(database, event_id), "the event is published")

    (headers,) = published(bootstrap_servers)[event_id]
    assert (headers["publisher_id"], headers["publisher_term"]) == ("publisher-0", "1")
    assert (headers["event_type"], headers["tenant_id"]) == (EVENT_TYPE, "acme")


def test_when_the_leader_is_killed_a_standby_publishes_within_seconds(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    processes = publishers(3)
    first = write_event(database)
    eventually(lambda: is_published(database, first), "the first leader publishes")

    leader_of(database, processes).kill()
    second = write_event(database)

    eventually(lambda: is_published(database, second), "a standby takes over")
    (headers,) = published(bootstrap_servers)[second]
    assert headers["publisher_term"] == "2"
    assert database.value("SELECT count(*) FROM publisher_terms WHERE ended_at IS NULL") == 1


def test_when_the_leaders_backend_is_terminated_no_event_is_lost(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    publishers(2)
    wait_for_a_leader(database)
    events = []
    for _ in range(4):
        events += [write_event(database) for _ in range(25)]
        database.run(
            "SELECT pg_terminate_backend(backend_pid) FROM publisher_terms WHERE ended_at IS NULL"
        )
    events += [write_event(database) for _ in range(25)]

    eventually(
        lambda: all(is_published(database, event_id) for event_id in events),
        "every event is published",
    )
    found = published(bootstrap_servers)
    assert [event_id for event_id in events if event_id not in found] == []


def test_a_leader_that_lost_its_lock_publishes_nothing_in_its_old_term(
    database: Database, publishers: Publishers, bootstrap_servers: str
) -> None:
    """Somebody else stands next in line for the lock when the backend that holds it dies."""
    publishers(1)
    wait_for_a_leader(database)
    with connect(database.dsn) as next_in_line:
        take = ("SELECT pg_advisory_lock(%s)", (PUBLISHER_LOCK_KEY,))
        waiting = threading.Thread(target=next_in_line.execute, args=take)
        waiting.start()
        eventually(
            lambda: database.rows(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ),
            "somebody waits for the lock",
        )
        database.run(
            "SELECT pg_terminate_backend(backend_pid) FROM publisher_terms WHERE ended_at IS NULL"
        )
        waiting.join(10.0)
        event_id = write_event(database)
        holds_for(
            lambda: not is_published(database, event_id),
            "nothing is published by who lost the lock",
            WELL_BEYOND_PUBLISHING_SECONDS,
        )

    eventually(lambda: is_published(database, event_id), "the event is published")
    (headers,) = published(bootstrap_servers)[event_id]
    assert headers["publisher_term"] == "2"


def test_a_stopped_leader_gives_the_lock_back_and_ends_its_term(
    database: Database, publishers: Publishers
) -> None:
    (only,) = publishers(1)
    wait_for_a_leader(database)

    status = only.stop()

    assert status == 0
    assert database.rows("SELECT 1 FROM publisher_terms WHERE ended_at IS NULL") == []
    assert try_lock(database.conn)


@pytest.mark.parametrize(
    ("point", "times_published"),
    [
        ("publisher.fetched_before_produce", 1),
        ("publisher.acked_before_mark", 2),
        ("publisher.marked", 1),
    ],
)
def test_a_publisher_killed_at_a_step_repeats_an_event_at_most_and_never_skips_it(
    database: Database,
    publishers: Publishers,
    bootstrap_servers: str,
    point: str,
    times_published: int,
) -> None:
    database.arm(point)
    event_id = write_event(database)

    (only,) = publishers(1, until_ready=False)
    status = only.wait_end()
    only.start()

    assert status == 137
    eventually(lambda: is_published(database, event_id), "the event is published")
    assert len(published(bootstrap_servers)[event_id]) == times_published


@pytest.mark.parametrize(
    ("event_type", "payload", "reason"),
    [
        ("OrderShipped", None, "unknown_event_type"),
        (EVENT_TYPE, {"note": "x" * 900_001}, "too_large"),
    ],
    ids=["unknown type", "too large"],
)
def test_a_row_that_can_never_be_published_gets_a_dead_letter_and_blocks_nobody(
    database: Database, publishers: Publishers, event_type: str, payload: object, reason: str
) -> None:
    hopeless = write_event(database, event_type=event_type, payload=payload)
    behind = write_event(database)

    publishers(1)

    eventually(lambda: is_published(database, behind), "the row behind it is published")
    letters = database.rows("SELECT source, reason FROM dead_letters WHERE event_id = %s", hopeless)
    assert letters == [("outbox", reason)]
    assert not is_published(database, hopeless)


def test_nothing_is_marked_while_the_broker_is_away_and_everything_is_when_it_is_back(
    database: Database, tmp_path: Path
) -> None:
    with running_servers(tmp_path / "broker", with_postgres=False) as broker:
        create_topics(KafkaServers(broker.kafka_bootstrap_servers))
        with publishers_on(database, broker.kafka_bootstrap_servers, tmp_path) as start:
            start(1)
            before = write_event(database)
            eventually(lambda: is_published(database, before), "the broker works")
            kafka = broker.pids["kafka"]
            os.kill(kafka, signal.SIGSTOP)
            try:
                events = [write_event(database) for _ in range(20)]
                holds_for(
                    lambda: not any(is_published(database, e) for e in events),
                    "nothing is marked that the broker has not acknowledged",
                    WELL_BEYOND_PUBLISHING_SECONDS,
                )
            finally:
                os.kill(kafka, signal.SIGCONT)

            eventually(
                lambda: all(is_published(database, event_id) for event_id in events),
                "every event is published once the broker is back",
            )
            found = published(broker.kafka_bootstrap_servers)
            assert [event_id for event_id in events if event_id not in found] == []


def test_a_leader_whose_events_no_broker_takes_is_not_ready_and_says_why(
    database: Database, publishers: Publishers
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    leader, standby = sorted(
        publishers(2, bootstrap_servers=nobody),
        key=lambda process: process.name != leader_named(database),
    )
    write_event(database)

    eventually(
        lambda: leader.readiness().get("publishing") is False, "it says that nothing leaves", 120
    )

    assert leader.readiness()["database"]
    assert "Kafka has taken none of them" in leader.readiness_reasons()["publishing"]
    assert standby.is_ready()


def test_events_that_only_the_producer_had_leave_after_broker_and_publisher_have_died(
    database: Database, tmp_path: Path
) -> None:
    with publishers_on(database, "", tmp_path) as start:
        with running_servers(tmp_path / "broker", with_postgres=False) as broker:
            create_topics(KafkaServers(broker.kafka_bootstrap_servers))
            (first,) = start(1, bootstrap_servers=broker.kafka_bootstrap_servers)
            before = write_event(database)
            eventually(lambda: is_published(database, before), "the broker works")
        events = [write_event(database) for _ in range(20)]
        holds_for(
            lambda: not any(is_published(database, event_id) for event_id in events),
            "nothing is marked that no broker has",
            WELL_BEYOND_PUBLISHING_SECONDS,
        )
        # What the producer had is gone with it; only the outbox still knows.
        first.kill()

        with running_servers(tmp_path / "broker", with_postgres=False) as broker:
            start(1, bootstrap_servers=broker.kafka_bootstrap_servers)
            eventually(
                lambda: all(is_published(database, event_id) for event_id in events),
                "every event is published by the next publisher",
            )
            found = published(broker.kafka_bootstrap_servers)
            assert [event_id for event_id in events if event_id not in found] == []
