"""Records of Kafka's topics: written by hand, what became of them, and what is there."""

from __future__ import annotations

from uuid import uuid4

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from runtime.domain.names import PARTITIONS
from tests.support.stack import Shop


def produce(shop: Shop, topic: str, value: bytes | None, **headers: str) -> tuple[int, int]:
    """Write one record to partition 0; returns its partition and offset."""
    placed: list[Message] = []
    producer = Producer(
        {"bootstrap.servers": shop.stack.bootstrap_servers, "message.max.bytes": 1_000_000}
    )
    producer.produce(
        topic,
        value,
        partition=0,
        headers=[(name, text.encode()) for name, text in headers.items()],
        on_delivery=lambda error, message: placed.append(message),
    )
    assert producer.flush(30) == 0
    (message,) = placed
    assert message.error() is None
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def reasons_at(shop: Shop, topic: str, place: tuple[int, int]) -> list[str]:
    """The reasons of the dead letters of the record at this partition and offset."""
    return [
        row[0]
        for row in shop.database.rows(
            "SELECT reason FROM dead_letters WHERE source_topic = %s AND source_partition = %s"
            " AND source_offset = %s",
            *(topic, *place),
        )
    ]


def headers_in(bootstrap_servers: str, *topics: str) -> list[dict[str, str]]:
    """The headers of every record of these topics, from their beginnings to their ends of now."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": f"look-{uuid4()}", "log_level": 0}
    )
    places = [TopicPartition(name, number, 0) for name in topics for number in range(PARTITIONS)]
    ends = [consumer.get_watermark_offsets(place, timeout=30) for place in places]
    consumer.assign(places)
    found = []
    for _ in range(sum(end for _, end in ends)):
        message = consumer.poll(10.0)
        assert message is not None, f"{topics}: the records do not come"
        assert message.error() is None, message.error()
        found.append(as_text(message.headers()))
    consumer.close()
    return found


def as_text(headers: object) -> dict[str, str]:
    """Kafka's headers as our services write them, a name and some UTF-8; a stranger writes none."""
    if headers is None:
        return {}
    assert isinstance(headers, list), headers
    return {name: value.decode() for name, value in headers}
