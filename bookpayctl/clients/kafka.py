"""Kafka as this tool reads it: assigned partitions, committed records, no offset ever committed.

Looking leaves no trace in any group.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import (
    OFFSET_INVALID,
    TIMESTAMP_NOT_AVAILABLE,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
)

from bookpayctl.clients.kafka_connection import (
    OF_THE_GROUP,
    REQUEST_TIMEOUT_SECONDS,
    BrokerError,
    LogConsumer,
    explaining,
    open_admin,
)
from bookpayctl.clients.kafka_servers import KafkaServers

__all__ = ["REQUEST_TIMEOUT_SECONDS", "BrokerError", "LogConsumer", "explaining", "open_admin"]

READ_DEADLINE_SECONDS: Final = 60.0


# `consume` waits for a whole batch or the time, so the time is what the last, short batch costs.
BATCH_MAX: Final = 5_000


BATCH_SECONDS: Final = 0.1


Ranges = dict[tuple[str, int], tuple[int, int]]
"""Of each partition, a first and an end offset."""

ReadValue = Callable[[str, bytes | None], Any]
"""Of a topic's name and a record's value, what its document is."""


class LogReadError(RuntimeError):
    """The log could not be read to its end; the message says where it stopped."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record with everything on it that a check or a trace shows.

    `document` is its value as JSON, of any kind; `payload` is that of an object, else empty.
    """

    topic: str
    partition: int
    offset: int
    key: str
    headers: dict[str, str]
    payload: dict[str, Any]
    at: datetime | None
    payload_sha256: str = ""
    document: Any = None

    @property
    def event_id(self) -> str | None:
        """From the header, under its own or the change-data-capture name, else the payload."""
        found = self.headers.get("event_id") or self.headers.get("id")
        return found or _text_or_none(self.payload.get("event_id"))

    @property
    def event_type(self) -> str | None:
        return self.headers.get("event_type")


def open_consumer(servers: KafkaServers) -> LogConsumer:
    """A consumer that reads assigned partitions only and never commits."""
    return LogConsumer(
        servers,
        {
            "group.id": f"bookpay-judge-{uuid4()}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
        },
    )


def log_ranges(consumer: LogConsumer, topics: Iterable[str]) -> Ranges:
    """First and end offset of each partition; a topic that does not exist yet has none.

    Raises:
        BrokerError: no broker said, and why if that is known.
    """
    ranges = {}
    with explaining(consumer):
        metadata = consumer.list_topics(timeout=REQUEST_TIMEOUT_SECONDS)
        for topic in topics:
            found = metadata.topics.get(topic)
            if found is None or found.error is not None:
                continue
            for partition in found.partitions:
                ranges[(topic, partition)] = consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=REQUEST_TIMEOUT_SECONDS
                )
    return ranges


def ranges_of(servers: KafkaServers, topics: Iterable[str]) -> Ranges:
    """`log_ranges` with a consumer of its own, for who reads nothing else."""
    with closing(open_consumer(servers)) as consumer:
        return log_ranges(consumer, topics)


def since(consumer: LogConsumer, ranges: Ranges, at: datetime) -> Ranges:
    """The same ranges, each beginning with its first record at or after a time."""
    milliseconds = int(at.timestamp() * 1000)
    wanted = [TopicPartition(t, p, milliseconds) for t, p in ranges]
    if not wanted:
        return {}
    narrowed = {}
    for found in consumer.offsets_for_times(wanted, timeout=REQUEST_TIMEOUT_SECONDS):
        first, end = ranges[found.topic, found.partition]
        # A partition with nothing that young answers with its end, or with no offset at all.
        begin = found.offset if found.offset >= first else end
        narrowed[found.topic, found.partition] = (begin, end)
    return narrowed


def records_between(
    consumer: LogConsumer,
    ranges: Ranges,
    *,
    deadline_seconds: float = READ_DEADLINE_SECONDS,
    read_value: ReadValue | None = None,
) -> Iterator[LogRecord]:
    """Every record from first to end offset of each partition.

    Args:
        read_value: what a record's `document` is, of its topic and value; None for JSON.

    Raises:
        LogReadError: the end was not reached before the deadline.
    """
    open_ends = {where: end for where, (first, end) in ranges.items() if end > first}
    if not open_ends:
        return
    consumer.assign([TopicPartition(t, p, ranges[(t, p)][0]) for t, p in open_ends])
    give_up_at = time.monotonic() + deadline_seconds
    while open_ends:
        for message in consumer.consume(num_messages=BATCH_MAX, timeout=BATCH_SECONDS):
            record = _record(message, read_value or as_json)
            if record is not None and record.offset < ranges[record.topic, record.partition][1]:
                yield record
        # Position, not the last record: a transaction marker may be the last offset of a log.
        for position in consumer.position([TopicPartition(t, p) for t, p in open_ends]):
            end = open_ends[(position.topic, position.partition)]
            if position.offset >= end:
                del open_ends[(position.topic, position.partition)]
        if time.monotonic() > give_up_at:
            raise LogReadError(f"no end of {sorted(open_ends)} in {deadline_seconds:.0f} s")


def event_ids_in(servers: KafkaServers, ranges: Ranges) -> frozenset[str]:
    """The events whose records lie in these ranges.

    Raises:
        BrokerError, LogReadError: they were not read to their end.
    """
    with closing(open_consumer(servers)) as consumer:
        found = [record.event_id for record in records_between(consumer, ranges)]
    return frozenset(event_id for event_id in found if event_id is not None)


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """One topic as the broker has it; `overrides` are settings of its own, name=value."""

    name: str
    partitions: int
    replicas: int
    values: dict[str, str]
    overrides: tuple[str, ...]


def topic_settings(servers: KafkaServers, topics: Iterable[str]) -> list[TopicSettings]:
    """Those of the topics that exist, with what they are set to.

    Raises:
        BrokerError: the broker did not say.
    """
    admin = open_admin(servers)
    known = admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS).topics
    there = [topic for topic in topics if topic in known and known[topic].error is None]
    if not there:
        return []
    asked = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in there]
    answers = admin.describe_configs(asked, request_timeout=REQUEST_TIMEOUT_SECONDS)
    found = []
    for resource, future in answers.items():
        with explaining(admin):
            entries = future.result()
        partitions = known[resource.name].partitions
        found.append(
            TopicSettings(
                resource.name,
                len(partitions),
                min((len(p.replicas) for p in partitions.values()), default=0),
                {name: entry.value or "" for name, entry in entries.items()},
                tuple(
                    f"{name}={entry.value}"
                    for name, entry in sorted(entries.items())
                    if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
                ),
            )
        )
    return sorted(found, key=lambda topic: topic.name)


def change_topic(servers: KafkaServers, topic: str, settings: Mapping[str, str]) -> None:
    """Set some of a topic's settings; the others stay.

    Raises:
        BrokerError: the broker refused, or did not say.
    """
    admin = open_admin(servers)
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    asked = admin.incremental_alter_configs([resource], request_timeout=REQUEST_TIMEOUT_SECONDS)
    asked[resource].result()


def delete_group(servers: KafkaServers, group: str) -> None:
    """Remove a consumer group; one that does not exist is already removed.

    Raises:
        KafkaException: it is still there.
    """
    admin = open_admin(servers)
    future = admin.delete_consumer_groups([group], request_timeout=REQUEST_TIMEOUT_SECONDS)[group]
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise


def group_exists(servers: KafkaServers, group: str) -> bool:
    """Whether the broker knows the group, with or without members."""
    admin = open_admin(servers)
    listed = admin.list_consumer_groups(request_timeout=REQUEST_TIMEOUT_SECONDS).result()
    return any(found.group_id == group for found in listed.valid)


def set_group_offsets(
    servers: KafkaServers, group: str, offsets: dict[tuple[str, int], int]
) -> None:
    """Let a group without members begin at these offsets.

    Raises:
        BrokerError: it begins where it would have begun.
    """
    wanted = [TopicPartition(topic, partition, at) for (topic, partition), at in offsets.items()]
    with _without_joining(servers, group) as consumer:
        _refuse_errors(consumer.commit(offsets=wanted, asynchronous=False))


def group_offsets(
    servers: KafkaServers,
    group: str,
    partitions: Iterable[tuple[str, int]],
    *,
    timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
) -> dict[tuple[str, int], int | None]:
    """What a group has committed of each partition; None where it has committed nothing.

    Raises:
        BrokerError: the broker did not say.
    """
    wanted = [TopicPartition(topic, partition) for topic, partition in partitions]
    if not wanted:
        return {}
    with _without_joining(servers, group) as consumer:
        answer = _refuse_errors(consumer.committed(wanted, timeout=timeout_seconds))
    return {
        (found.topic, found.partition): None if found.offset == OFFSET_INVALID else found.offset
        for found in answer
    }


@contextmanager
def _without_joining(servers: KafkaServers, group: str) -> Iterator[LogConsumer]:
    """A consumer that speaks of a group's offsets and is no member of it.

    The admin client could ask the same, but a connection that is cut while it does so ends the
    process (librdkafka frees the request and answers it afterwards).
    """
    consumer = LogConsumer(
        servers,
        {"group.id": group, "enable.auto.commit": False, "enable.auto.offset.store": False},
    )
    try:
        with explaining(consumer):
            yield consumer
    finally:
        consumer.close()


def _refuse_errors(answer: list[TopicPartition] | None) -> list[TopicPartition]:
    """What the broker said of each partition.

    Raises:
        BrokerError: it refused one.
    """
    for found in answer or []:
        if found.error is not None:
            raise KafkaException(found.error)
    return answer or []


def _record(message: Message, read_value: ReadValue) -> LogRecord | None:
    error = message.error()
    if error is not None and error.code() == OF_THE_GROUP:
        return None
    if error is not None:
        raise LogReadError(f"reading the log failed: {error}")
    kind, milliseconds = message.timestamp()
    at = (
        None
        if kind == TIMESTAMP_NOT_AVAILABLE
        else datetime.fromtimestamp(milliseconds / 1000, UTC)
    )
    document = read_value(message.topic() or "", message.value())
    return LogRecord(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=_decoded(message.key()),
        headers=_headers(message.headers()),
        # Empty for poison, which the judge then sees has no event id.
        payload=document if isinstance(document, dict) else {},
        document=document,
        at=at,
        payload_sha256=hashlib.sha256(message.value() or b"").hexdigest(),
    )


def _headers(found: Any) -> dict[str, str]:
    return {str(name): _decoded(value) for name, value in found or []}


def _decoded(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return "" if value is None else str(value)


def as_json(_topic: str, value: bytes | None) -> Any:
    """A value as JSON; None when it is none."""
    try:
        return json.loads(value or b"")
    except ValueError:
        return None


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
