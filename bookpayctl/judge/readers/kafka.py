"""Kafka as evidence: every record of our topics from the log start to the log end seen at start.

Reads with assigned partitions and never commits, so looking leaves no trace in any group. Only
committed records are read, and none is kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from bookpayctl.clients.kafka import (
    LogRecord,
    Ranges,
    group_offsets,
    log_ranges,
    open_consumer,
    records_between,
    topic_settings,
)
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.judge.ledgers.sink import Value
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.rows import TopicRow
from runtime.domain.names import TOPICS_OF_GROUP, Header, Topic


def read_log(servers: KafkaServers, ledgers: LedgerWriter) -> None:
    """Read all our topics, how they are set, and where each group stands.

    Raises:
        LogReadError, BrokerError: nothing may be concluded from a part of the log.
        StoreError: what was read could not be kept.
    """
    consumer = open_consumer(servers)
    try:
        ranges = log_ranges(consumer, [topic.value for topic in Topic])
        oldest: dict[tuple[str, int], datetime | None] = {}
        with ledgers.sink("log_records") as records:
            for record in records_between(consumer, ranges):
                oldest.setdefault((record.topic, record.partition), record.at)
                records.put(row_of(record))
    finally:
        consumer.close()
    with ExitStack() as open_sinks:
        partitions, groups, topics = (
            open_sinks.enter_context(ledgers.sink(name))
            for name in ("log_partitions", "log_groups", "log_topics")
        )
        for where, (low, high) in ranges.items():
            partitions.put(
                {**_place(where), "low_offset": low, "high_offset": high,
                 "oldest_at": oldest.get(where)}
            )  # fmt: skip
        for group in _groups(servers, ranges):
            groups.put(group)
        for topic in read_topics(servers):
            topics.put(topic_row(topic))
    ledgers.keep(records, partitions, groups, topics)


def row_of(record: LogRecord) -> dict[str, Value]:
    """One record as the ledger has it; what its payload does not say as it should is NULL."""
    payload = record.payload
    return {
        "topic": record.topic,
        "partition_number": record.partition,
        "record_offset": record.offset,
        "recorded_at": record.at,
        "record_key": _shown(record.key),
        "event_id": _shown(record.event_id),
        "event_type": _shown(record.event_type),
        "order_id": _shown(payload.get("order_id")),
        "root_event_id": _shown(payload.get("root_event_id")),
        "amount": _whole(payload.get("amount_cents")),
        "currency": _shown(payload.get("currency")),
        "payload_sha256": record.payload_sha256,
        "publisher_term": _number(record.headers.get(Header.PUBLISHER_TERM.value)),
    }


def topic_row(topic: TopicRow) -> dict[str, Value]:
    """A topic's settings as the ledger has them."""
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "replicas": topic.replicas,
        "retention_ms": topic.retention_ms,
        "retention_bytes": topic.retention_bytes,
        "cleanup_policy": topic.cleanup_policy,
        "insync_min": topic.insync_min,
        "unclean_election": topic.unclean_election,
    }


def read_topics(servers: KafkaServers) -> tuple[TopicRow, ...]:
    """Those of our topics that exist, as the broker says they are set.

    Raises:
        BrokerError: the broker did not say.
    """
    found = topic_settings(servers, [topic.value for topic in Topic])
    return tuple(
        TopicRow(
            name=topic.name,
            partitions=topic.partitions,
            replicas=topic.replicas,
            retention_ms=int(topic.values["retention.ms"]),
            retention_bytes=int(topic.values["retention.bytes"]),
            cleanup_policy=topic.values["cleanup.policy"],
            insync_min=int(topic.values["min.insync.replicas"]),
            unclean_election=topic.values["unclean.leader.election.enable"] == "true",
            overrides=topic.overrides,
        )
        for topic in found
    )


def _groups(servers: KafkaServers, ranges: Ranges) -> Iterator[dict[str, Value]]:
    for group, topics in TOPICS_OF_GROUP.items():
        read = [where for where in ranges if where[0] in topics]
        for where, offset in group_offsets(servers, group.value, read).items():
            yield {**_place(where), "consumer_group": group.value, "committed_offset": offset}


def _place(where: tuple[str, int]) -> dict[str, Value]:
    return {"topic": where[0], "partition_number": where[1]}


def _shown(value: Any) -> str | None:
    """Text as any engine holds it: poison may have anything in it, and equals nothing of ours."""
    if not isinstance(value, str):
        return None
    return value.replace("\x00", "\ufffd").encode(errors="replace").decode()


def _whole(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and abs(value) < 2**63 else None


def _number(text: str | None) -> int | None:
    fits = text is not None and len(text) <= 18 and text.isascii() and text.isdigit()
    return int(text) if text is not None and fits else None
