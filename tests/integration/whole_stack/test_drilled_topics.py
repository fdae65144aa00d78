"""What drills do to topics, on a real broker: made again, cut short, grown, offsets deleted."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from bookpayctl.clients.kafka import (
    group_exists,
    group_offsets,
    log_ranges,
    open_consumer,
    set_group_offsets,
)
from bookpayctl.clients.kafka_producer import RecordToSend, open_producer, send_all
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.clients.kafka_topics import (
    delete_group_when_empty,
    delete_records,
    delete_topic,
    grow_topics,
    make_topic,
    topics_seen,
)

RECORDS = 5


@pytest.fixture
def kafka(bootstrap_servers: str) -> KafkaServers:
    return KafkaServers(bootstrap_servers)


@pytest.fixture
def topic(kafka: KafkaServers) -> Iterator[str]:
    """A topic of one partition with some records."""
    name = f"drilled-{uuid4()}"
    make_topic(kafka, name, partitions=1, settings={})
    sent = [RecordToSend(name, b"key", b"%d" % number, ()) for number in range(RECORDS)]
    send_all(open_producer(kafka, "drilled"), sent)
    yield name
    delete_topic(kafka, name)


def ends(kafka: KafkaServers, topic: str) -> dict[tuple[str, int], tuple[int, int]]:
    consumer = open_consumer(kafka)
    try:
        return log_ranges(consumer, [topic])
    finally:
        consumer.close()


def test_a_topic_that_is_made_again_has_another_id_and_no_records(
    kafka: KafkaServers, topic: str
) -> None:
    before = topics_seen(kafka, [topic])[topic]

    delete_topic(kafka, topic)
    make_topic(kafka, topic, partitions=2, settings={"retention.ms": "-1"})

    after = topics_seen(kafka, [topic])[topic]
    assert after.topic_id != before.topic_id
    assert (before.partitions, after.partitions) == (1, 2)
    assert set(ends(kafka, topic).values()) == {(0, 0)}


def test_one_that_is_there_is_not_made_again(kafka: KafkaServers, topic: str) -> None:
    before = topics_seen(kafka, [topic])

    make_topic(kafka, topic, partitions=1, settings={})

    assert topics_seen(kafka, [topic]) == before


def test_what_is_not_there_is_not_seen_and_may_be_deleted(kafka: KafkaServers) -> None:
    name = f"drilled-{uuid4()}"

    delete_topic(kafka, name)

    assert topics_seen(kafka, [name]) == {}


def test_records_below_an_offset_are_gone(kafka: KafkaServers, topic: str) -> None:
    delete_records(kafka, {(topic, 0): 3})

    assert ends(kafka, topic) == {(topic, 0): (3, RECORDS)}


def test_a_topic_grows_and_stays_the_same(kafka: KafkaServers, topic: str) -> None:
    before = topics_seen(kafka, [topic])[topic]

    grow_topics(kafka, {topic: 3})

    after = topics_seen(kafka, [topic])[topic]
    assert (after.topic_id, after.partitions) == (before.topic_id, 3)


def test_a_group_that_is_deleted_knows_no_offset(kafka: KafkaServers, topic: str) -> None:
    group = f"drilled-{uuid4()}"
    set_group_offsets(kafka, group, {(topic, 0): 2})

    delete_group_when_empty(kafka, group)
    delete_group_when_empty(kafka, group)

    assert not group_exists(kafka, group)
    assert group_offsets(kafka, group, [(topic, 0)]) == {(topic, 0): None}
