"""A commit of offsets that the broker refuses is sent again: no group stays behind its store."""

from __future__ import annotations

import time
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from runtime.adapters import kafka
from tests.support.waiting import eventually

REFUSED = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)


def committed(consumer: Consumer, topic: str) -> int | None:
    """The group's offset; None while the broker does not say."""
    try:
        return consumer.committed([TopicPartition(topic, 0)], timeout=30)[0].offset
    except KafkaException:
        return None


def test_offsets_whose_commit_was_refused_are_committed_later(bootstrap_servers: str) -> None:
    topic = f"refused-{uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(timeout=60)
    producer = kafka.producer(bootstrap_servers, "refused", lambda error: None)
    producer.produce(topic, b"{}")
    producer.flush(30)
    consumer, offsets = kafka.consumer(
        bootstrap_servers, topic, "refused", instance_id=None, on_error=lambda error: None
    )
    # What a rebalance does to a commit; nothing else is noted.
    offsets.answered(REFUSED, [TopicPartition(topic, 0, 1)])
    consumer.subscribe([topic])

    def read() -> bool:
        consumer.poll(0.1)
        return bool(consumer.assignment())

    eventually(read, "the partition is assigned")

    def behind_no_more() -> bool:
        offsets.commit(time.monotonic(), every_seconds=0)
        consumer.poll(0.1)
        return committed(consumer, topic) == 1

    eventually(behind_no_more, "the refused offset is committed")
    offsets.close()


def test_offsets_of_a_partition_that_is_anothers_are_not_sent_again(
    bootstrap_servers: str,
) -> None:
    _, offsets = kafka.consumer(
        bootstrap_servers,
        f"g-{uuid4().hex[:8]}",
        "x",
        instance_id=None,
        on_error=lambda error: None,
    )
    offsets.answered(REFUSED, [TopicPartition("orders.placed", 0, 7)])

    offsets.commit(time.monotonic(), every_seconds=0)

    assert offsets._stored == {}
    offsets.close()


def test_a_commit_the_broker_refuses_is_noted_again(bootstrap_servers: str) -> None:
    consumer, offsets = kafka.consumer(
        bootstrap_servers,
        f"g-{uuid4().hex[:8]}",
        "x",
        instance_id=None,
        on_error=lambda error: None,
    )
    topic = f"nowhere-{uuid4().hex[:8]}"

    consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=True)

    def refused() -> dict[tuple[str, int], int]:
        consumer.poll(0.1)
        return dict(offsets._stored)

    found = eventually(refused, "what the broker refused is noted again")
    assert found == {(topic, 0): 1}
    consumer.close()
