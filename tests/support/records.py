"""Records written to a topic by hand, and the dead letters they became."""

from __future__ import annotations

from confluent_kafka import Message, Producer

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
