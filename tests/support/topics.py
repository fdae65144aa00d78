"""What is in Kafka's topics now."""

from __future__ import annotations

from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition

from runtime.domain.names import PARTITIONS


def headers_in(bootstrap_servers: str, *topics: str) -> list[dict[str, str]]:
    """The headers of every record of these topics, from their beginnings to their ends of now."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": f"look-{uuid4()}", "log_level": 0}
    )
    places = [TopicPartition(name, number, 0) for name in topics for number in range(PARTITIONS)]
    ends = [consumer.get_watermark_offsets(place, timeout=10) for place in places]
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
    """Kafka's headers as our services write them: pairs of a name and some UTF-8."""
    assert isinstance(headers, list), headers
    return {name: value.decode() for name, value in headers}
