"""Kafka of a stack that is not ours: its records by the paths of a mapping, and nothing committed.

Partitions are assigned, no group is joined, and only committed records are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from bookpayctl.clients.kafka import (
    LogReadError,
    LogRecord,
    Ranges,
    ReadValue,
    as_json,
    group_offsets,
    log_ranges,
    open_consumer,
    records_between,
)
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.clients.schema_registry import SchemaRegistry
from bookpayctl.judge.ledgers.sink import Value
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.mapping.document import (
    AVRO,
    PATHS,
    PROTOBUF,
    KafkaSource,
    TopicMapping,
)
from bookpayctl.judge.mapping.paths import ROOT, SeenRecord, found_at, minor_units, text_at
from bookpayctl.judge.mapping.redaction import redacted
from bookpayctl.judge.readers.avro import AvroReader
from bookpayctl.judge.readers.registered import UnreadableValue

NOT_HELD: Final = "\x00"
"""A text that no column holds."""


@dataclass(slots=True)
class Unread:
    """Values of one topic that could not be read for one reason."""

    first: LogRecord
    count: int = 0


def read_mapped_log(
    source: KafkaSource,
    servers: KafkaServers,
    ledgers: LedgerWriter,
    salt: str | None = None,
    registry: SchemaRegistry | None = None,
) -> tuple[str, ...]:
    """Read every topic of the mapping to the end that it has now, and where each group stands.

    Args:
        servers: where the mapping's Kafka is, with what it asks for.
        salt: makes digests of what may name a customer; None leaves it as it is.
        registry: has the schemas of topics in Avro and Protobuf.

    Returns:
        A sentence for each topic and reason for which values could not be read.

    Raises:
        RegistryError: a schema could not be asked for.
        LogReadError, BrokerError: nothing may be concluded from a part of the log.
        StoreError: what was read could not be kept.
    """
    consumer = open_consumer(servers)
    oldest: dict[tuple[str, int], datetime | None] = {}
    unread: dict[tuple[str, str], Unread] = {}
    try:
        ranges = log_ranges(consumer, source.topics)
        lost = sorted(set(source.topics) - {topic for topic, _ in ranges})
        if lost:
            raise LogReadError(f"there is no topic {', '.join(lost)}")
        with ledgers.sink("log_records") as records:
            seconds, reading = source.timeout_seconds, _reading(source, registry)
            for record in records_between(
                consumer, ranges, deadline_seconds=seconds, read_value=reading
            ):
                if isinstance(record.document, UnreadableValue):
                    told = unread.setdefault((record.topic, record.document.reason), Unread(record))
                    told.count += 1
                oldest.setdefault((record.topic, record.partition), record.at)
                records.put(row_of(record, source.topics[record.topic], salt))
    finally:
        consumer.close()
    with ExitStack() as open_sinks:
        partitions = open_sinks.enter_context(ledgers.sink("log_partitions"))
        groups = open_sinks.enter_context(ledgers.sink("log_groups"))
        for where, (low, high) in ranges.items():
            partitions.put(
                {**_place(where), "low_offset": low, "high_offset": high,
                 "oldest_at": oldest.get(where)}
            )  # fmt: skip
        for row in _groups(source, servers, ranges):
            groups.put(row)
    ledgers.keep(records, partitions, groups)
    return tuple(
        f"{told.count} values in {topic} could not be read, the first at {told.first.partition}/"
        f"{told.first.offset}: {reason}"
        for (topic, reason), told in sorted(unread.items())
    )


def _groups(
    source: KafkaSource, servers: KafkaServers, ranges: Ranges
) -> Iterator[dict[str, Value]]:
    for group, topics in source.groups.items():
        read = [where for where in ranges if where[0] in topics]
        for where, offset in group_offsets(servers, group, read).items():
            yield {**_place(where), "consumer_group": group, "committed_offset": offset}


def _reading(source: KafkaSource, registry: SchemaRegistry | None) -> ReadValue | None:
    """How values are read; None where all of them are JSON."""
    if registry is None:
        return None
    reads: dict[str, ReadValue] = {}
    for topic, mapped in source.topics.items():
        if mapped.format == AVRO:
            reads[topic] = _of_any_topic(AvroReader(registry).read)
        elif mapped.format == PROTOBUF:
            # Not with the module: whoever has no topic in Protobuf does not wait for it.
            from bookpayctl.judge.readers.protobuf import ProtobufReader

            reads[topic] = _of_any_topic(ProtobufReader(registry).read)
    return lambda topic, value: reads.get(topic, as_json)(topic, value)


def _of_any_topic(read: Callable[[bytes | None], Any]) -> ReadValue:
    return lambda _, value: read(value)


def row_of(record: LogRecord, topic: TopicMapping, salt: str | None = None) -> dict[str, Value]:
    """One record as the ledger has it; what is not where the mapping says is NULL.

    Of a value that could not be read, what it would have said is named as not held.
    """
    if isinstance(record.document, UnreadableValue):
        readable = row_of(replace(record, document=None), topic, salt)
        paths = {column: getattr(topic, column) or "" for column in PATHS}
        return readable | {name: NOT_HELD for name, path in paths.items() if path.startswith(ROOT)}
    seen = SeenRecord(record.key, record.headers, record.document)
    kind = text_at(topic.event_type, seen)
    currency = (text_at(topic.currency, seen) or "").lower() or None
    amount = None if topic.amount is None else found_at(topic.amount, seen)
    return {
        "topic": record.topic,
        "partition_number": record.partition,
        "record_offset": record.offset,
        "recorded_at": record.at,
        "record_key": redacted(text_at("key", seen), salt),
        "event_id": text_at(topic.event_id, seen),
        "event_type": None if kind is None else topic.types.get(kind, kind),
        "order_id": redacted(text_at(topic.order_id, seen), salt),
        "root_event_id": text_at(topic.root_event_id, seen),
        "amount": minor_units(amount, currency, topic.money),
        "currency": currency,
        "payload_sha256": record.payload_sha256,
    }


def _place(where: tuple[str, int]) -> dict[str, Value]:
    return {"topic": where[0], "partition_number": where[1]}
