"""A topic that was made can be read at once: whoever makes it waits for its leaders."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from bookpayctl.clients.kafka import open_consumer
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.servers import contents
from tests.support.servers import running_servers

# Without the wait more than half of them refused, in each of several runs.
TOPICS = 40


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaServers]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_servers(Path(folder), with_postgres=False) as servers,
    ):
        yield KafkaServers(servers.kafka_bootstrap_servers)


def test_every_partition_of_a_new_topic_has_a_leader_that_answers(broker: KafkaServers) -> None:
    names = [f"new-{number}" for number in range(TOPICS)]

    with closing(open_consumer(broker)) as consumer:
        for begin in range(0, TOPICS, 8):
            some = names[begin : begin + 8]
            made = contents.create_topics_of_others(broker, {name: {} for name in some})

            assert made == sorted(some)
            # Last made, first asked.
            for name in reversed(some):
                assert consumer.get_watermark_offsets(TopicPartition(name, 0), timeout=30) == (0, 0)


def test_topics_that_are_there_are_left_alone(broker: KafkaServers) -> None:
    assert contents.create_topics(broker)
    assert contents.create_topics(broker) == []
