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
def topic(bootstrap_servers: str) -> Iterator[str]:
    """A topic of one partition with some records."""
    name = f"drilled-{uuid4()}"
    make_topic(bootstrap_servers, name, partitions=1, settings={})
    sent = [RecordToSend(name, b"key", b"%d" % number, ()) for number in range(RECORDS)]
    send_all(open_producer(bootstrap_servers, "drilled"), sent)
    yield name
    delete_topic(bootstrap_servers, name)


def ends(bootstrap_servers: str, topic: str) -> dict[tuple[str, int], tuple[int, int]]:
    consumer = open_consumer(bootstrap_servers)
    try:
        return log_ranges(consumer, [topic])
    finally:
        consumer.close()


def test_a_topic_that_is_made_again_has_another_id_and_no_records(
    bootstrap_servers: str, topic: str
) -> None:
    before = topics_seen(bootstrap_servers, [topic])[topic]

    delete_topic(bootstrap_servers, topic)
    make_topic(bootstrap_servers, topic, partitions=2, settings={"retention.ms": "-1"})

    after = topics_seen(bootstrap_servers, [topic])[topic]
    assert after.topic_id != before.topic_id
    assert (before.partitions, after.partitions) == (1, 2)
    assert set(ends(bootstrap_servers, topic).values()) == {(0, 0)}


def test_one_that_is_there_is_not_made_again(bootstrap_servers: str, topic: str) -> None:
    before = topics_seen(bootstrap_servers, [topic])

    make_topic(bootstrap_servers, topic, partitions=1, settings={})

    assert topics_seen(bootstrap_servers, [topic]) == before


def test_what_is_not_there_is_not_seen_and_may_be_deleted(bootstrap_servers: str) -> None:
    name = f"drilled-{uuid4()}"

    delete_topic(bootstrap_servers, name)

    assert topics_seen(bootstrap_servers, [name]) == {}


def test_records_below_an_offset_are_gone(bootstrap_servers: str, topic: str) -> None:
    delete_records(bootstrap_servers, {(topic, 0): 3})

    assert ends(bootstrap_servers, topic) == {(topic, 0): (3, RECORDS)}


def test_a_topic_grows_and_stays_the_same(bootstrap_servers: str, topic: str) -> None:
    before = topics_seen(bootstrap_servers, [topic])[topic]

    grow_topics(bootstrap_servers, {topic: 3})

    after = topics_seen(bootstrap_servers, [topic])[topic]
    assert (after.topic_id, after.partitions) == (before.topic_id, 3)


def test_a_group_that_is_deleted_knows_no_offset(bootstrap_servers: str, topic: str) -> None:
    group = f"drilled-{uuid4()}"
    set_group_offsets(bootstrap_servers, group, {(topic, 0): 2})

    delete_group_when_empty(bootstrap_servers, group)
    delete_group_when_empty(bootstrap_servers, group)

    assert not group_exists(bootstrap_servers, group)
    assert group_offsets(bootstrap_servers, group, [(topic, 0)]) == {(topic, 0): None}
