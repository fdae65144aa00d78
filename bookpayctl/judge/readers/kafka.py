"""Kafka as evidence: every record of our topics from the log start to the log end seen at start.

Reads with assigned partitions and never commits, so looking leaves no trace in any group. Only
committed records are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bookpayctl.clients.kafka import (
    group_offsets,
    log_ranges,
    open_consumer,
    records_between,
    topic_settings,
)
from bookpayctl.judge.rows import GroupOffset, Log, PartitionRow, RecordRow, TopicRow
from runtime.domain.names import TOPICS_OF_GROUP, Topic


def read_log(bootstrap_servers: str) -> Log:
    """Read all our topics and where each group stands.

    Raises:
        LogReadError, BrokerError: nothing may be concluded from a part of the log.
    """
    consumer = open_consumer(bootstrap_servers)
    try:
        ranges = log_ranges(consumer, [topic.value for topic in Topic])
        oldest: dict[tuple[str, int], datetime | None] = {}
        rows: list[RecordRow] = []
        for record in records_between(consumer, ranges):
            oldest.setdefault((record.topic, record.partition), record.at)
            rows.append(
                RecordRow(
                    record.topic,
                    record.partition,
                    record.offset,
                    record.key,
                    record.event_id,
                    record.event_type,
                    record.payload_sha256,
                )
            )
    finally:
        consumer.close()
    partitions = tuple(
        PartitionRow(topic, partition, first, end, oldest.get((topic, partition)))
        for (topic, partition), (first, end) in ranges.items()
    )
    committed = tuple(_committed(bootstrap_servers, list(ranges)))
    return Log(tuple(rows), partitions, committed, read_topics(bootstrap_servers))


def read_topics(bootstrap_servers: str) -> tuple[TopicRow, ...]:
    """Those of our topics that exist, as the broker says they are set.

    Raises:
        BrokerError: the broker did not say.
    """
    found = topic_settings(bootstrap_servers, [topic.value for topic in Topic])
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


def _committed(bootstrap_servers: str, partitions: list[tuple[str, int]]) -> Iterator[GroupOffset]:
    for group, topics in TOPICS_OF_GROUP.items():
        read = [(topic, partition) for topic, partition in partitions if topic in topics]
        for (topic, partition), offset in group_offsets(
            bootstrap_servers, group.value, read
        ).items():
            yield GroupOffset(group.value, topic, partition, offset)
