"""BP-C002 on a long log: late records are found where they lie, and most of the log is not read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from bookpayctl.checks.single_publisher import NEWEST_RECORDS, PublisherTerm, read_late
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.servers.contents import create_topics
from tests.support.servers import running_servers

TOPIC = "orders.placed"
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
CHANGED = BEGAN + timedelta(days=2)
TERMS = [
    PublisherTerm(1, "outbox-publisher-0", 10, BEGAN, CHANGED),
    PublisherTerm(2, "outbox-publisher-1", 11, CHANGED, None),
]
EVENT = str(uuid4())


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaServers]:
    """A broker that keeps what this test has written and nothing else."""
    with running_servers(tmp_path, with_postgres=False) as servers:
        at = KafkaServers(servers.kafka_bootstrap_servers)
        create_topics(at)
        yield at


def write(broker: KafkaServers, *, term: int, at: datetime, event_id: str, count: int = 1) -> None:
    """Records of one publisher's term in one partition, dated as given."""
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    for _ in range(count):
        producer.produce(
            TOPIC,
            b"{}",
            partition=0,
            headers=[("event_id", event_id.encode()), ("publisher_term", str(term).encode())],
            timestamp=int(at.timestamp() * 1000),
        )
        producer.poll(0)
    assert producer.flush(30) == 0


def much(broker: KafkaServers, *, term: int, at: datetime) -> None:
    """More than the newest records that are read, each of another event."""
    write(broker, term=term, at=at, event_id="another", count=2 * NEWEST_RECORDS)


def test_most_of_a_long_log_is_not_read(broker: KafkaServers) -> None:
    much(broker, term=1, at=BEGAN + timedelta(hours=1))
    much(broker, term=2, at=CHANGED + timedelta(hours=1))

    found = read_late(broker, TERMS, whole_records_max=0)

    assert (found.read, found.kept, found.late) == (NEWEST_RECORDS, 4 * NEWEST_RECORDS, 0)


def test_a_late_record_behind_a_change_of_leaders_is_found_under_much_that_is_newer(
    broker: KafkaServers,
) -> None:
    write(broker, term=1, at=CHANGED + timedelta(seconds=5), event_id=EVENT)
    much(broker, term=2, at=CHANGED + timedelta(hours=1))

    found = read_late(broker, TERMS, whole_records_max=0)

    assert [record.event_id for record in found.unrepeated] == [EVENT]


def test_a_late_record_whose_repetition_came_long_after_is_not_lost(broker: KafkaServers) -> None:
    write(broker, term=1, at=CHANGED + timedelta(seconds=5), event_id=EVENT)
    write(broker, term=2, at=CHANGED + timedelta(hours=1), event_id=EVENT)
    much(broker, term=2, at=CHANGED + timedelta(hours=2))

    found = read_late(broker, TERMS, whole_records_max=0)

    assert (found.read, found.late, found.unrepeated) == (found.kept, 1, ())


def test_a_publisher_that_wakes_after_hours_is_found_at_the_end_of_the_log(
    broker: KafkaServers,
) -> None:
    much(broker, term=2, at=CHANGED + timedelta(hours=1))
    write(broker, term=1, at=CHANGED + timedelta(hours=2), event_id=EVENT)

    assert [
        record.event_id for record in read_late(broker, TERMS, whole_records_max=0).unrepeated
    ] == [EVENT]


def test_a_short_log_is_read_whole(broker: KafkaServers) -> None:
    """A late record of long before the last changes of leaders counts there, too."""
    changes = [
        PublisherTerm(n, "outbox-publisher-1", n, CHANGED + timedelta(hours=n), None)
        for n in range(3, 9)
    ]
    write(broker, term=1, at=CHANGED + timedelta(seconds=5), event_id=EVENT)
    much(broker, term=8, at=CHANGED + timedelta(hours=20))

    found = read_late(broker, [*TERMS, *changes])

    assert (found.read, found.late) == (found.kept, 1)
