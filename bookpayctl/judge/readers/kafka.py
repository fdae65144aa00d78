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
)
from bookpayctl.judge.ledgers import GroupOffset, Log, PartitionRow, RecordRow
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
                )
            )
    finally:
        consumer.close()
    partitions = tuple(
        PartitionRow(topic, partition, first, end, oldest.get((topic, partition)))
        for (topic, partition), (first, end) in ranges.items()
    )
    return Log(tuple(rows), partitions, tuple(_committed(bootstrap_servers, list(ranges))))


def _committed(bootstrap_servers: str, partitions: list[tuple[str, int]]) -> Iterator[GroupOffset]:
    for group, topics in TOPICS_OF_GROUP.items():
        read = [(topic, partition) for topic, partition in partitions if topic in topics]
        for (topic, partition), offset in group_offsets(
            bootstrap_servers, group.value, read
        ).items():
            yield GroupOffset(group.value, topic, partition, offset)
