"""Records written again: acknowledged by all in-sync replicas, or named as lost. Never a new kind.

The partitioner is the publisher's, so that a key lands where it always has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message

from bookpayctl.clients.kafka_connection import RecordProducer
from bookpayctl.clients.kafka_servers import KafkaServers

DELIVERY_SECONDS_MAX: Final = 30.0


class DeliveryError(RuntimeError):
    """Records whose acknowledgement did not come; they may be in the log all the same."""


@dataclass(frozen=True, slots=True)
class RecordToSend:
    """One record as it goes out."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def as_sent(message: Message) -> RecordToSend:
    """A record that was read, as it would go out again: key, value and headers byte for byte."""
    # The client gives a list of pairs or a mapping, and bytes for everything that ours wrote.
    headers: Any = message.headers() or ()
    key: Any = message.key() or b""
    value: Any = message.value() or b""
    return RecordToSend(message.topic() or "", key, value, tuple(dict(headers).items()))


def open_producer(servers: KafkaServers, client_id: str) -> RecordProducer:
    """An idempotent producer that waits for all in-sync replicas."""
    return RecordProducer(
        servers,
        {
            "client.id": client_id,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "linger.ms": 1,
            "message.max.bytes": 1_000_000,
            "message.timeout.ms": int(DELIVERY_SECONDS_MAX * 1000),
            "allow.auto.create.topics": False,
        },
    )


def send_all(
    producer: RecordProducer, records: Sequence[RecordToSend]
) -> dict[tuple[str, int], tuple[int, int]]:
    """Send a batch and wait for every acknowledgement.

    Returns:
        The first and the end offset that the batch has in each partition that it came to.

    Raises:
        DeliveryError: not all of them were acknowledged.
    """
    errors: list[KafkaError] = []
    ranges: dict[tuple[str, int], tuple[int, int]] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            errors.append(error)
            return
        where = (message.topic() or "", message.partition() or 0)
        offset = message.offset() or 0
        first, end = ranges.get(where, (offset, offset))
        ranges[where] = (min(first, offset), max(end, offset + 1))

    try:
        for record in records:
            producer.produce(
                record.topic,
                record.value,
                record.key,
                headers=list(record.headers),
                on_delivery=delivered,
            )
    except (KafkaException, BufferError) as error:
        raise DeliveryError(f"the client takes no record: {error}") from error
    left = producer.flush(DELIVERY_SECONDS_MAX + 5.0)
    if left or errors:
        first = errors[0] if errors else KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001
        reason = producer.connection_errors.reason(first)
        said = f"{producer.connection_errors.servers.name} {reason}" if reason else first.str()
        raise DeliveryError(
            f"{left + len(errors)} of {len(records)} records were not acknowledged: {said}"
        )
    return ranges
