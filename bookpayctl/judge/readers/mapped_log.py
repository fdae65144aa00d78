"""Kafka of a stack that is not ours: its records by the paths of a mapping, and nothing committed.

Partitions are assigned, no group is joined, and only committed records are read.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime

from bookpayctl.clients.kafka import (
    LogReadError,
    LogRecord,
    group_offsets,
    log_ranges,
    open_consumer,
    records_between,
)
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.judge.ledgers.sink import Value
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.mapping.document import KafkaSource, TopicMapping
from bookpayctl.judge.mapping.paths import SeenRecord, found_at, minor_units, text_at
from bookpayctl.judge.mapping.redaction import redacted

Ranges = dict[tuple[str, int], tuple[int, int]]


def read_mapped_log(
    source: KafkaSource,
    servers: KafkaServers,
    ledgers: LedgerWriter,
    salt: str | None = None,
) -> None:
    """Read every topic of the mapping to the end that it has now, and where each group stands.

    Args:
        servers: where the mapping's Kafka is, with what it asks for.
        salt: makes digests of what may name a customer; None leaves it as it is.

    Raises:
        LogReadError, BrokerError: nothing may be concluded from a part of the log.
        StoreError: what was read could not be kept.
    """
    consumer = open_consumer(servers)
    oldest: dict[tuple[str, int], datetime | None] = {}
    try:
        ranges = log_ranges(consumer, source.topics)
        lost = sorted(set(source.topics) - {topic for topic, _ in ranges})
        if lost:
            raise LogReadError(f"there is no topic {', '.join(lost)}")
        with ledgers.sink("log_records") as records:
            found = records_between(consumer, ranges, deadline_seconds=source.timeout_seconds)
            for record in found:
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
        for group, topics in source.groups.items():
            read = [where for where in ranges if where[0] in topics]
            committed = group_offsets(servers, group, read)
            for where, offset in committed.items():
                row = {"consumer_group": group, "committed_offset": offset}
                groups.put({**_place(where), **row})
    ledgers.keep(records, partitions, groups)


def row_of(record: LogRecord, topic: TopicMapping, salt: str | None = None) -> dict[str, Value]:
    """One record as the ledger has it; what is not where the mapping says is NULL."""
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
