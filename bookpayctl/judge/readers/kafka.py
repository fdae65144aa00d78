"""Kafka as evidence: every record of our topics from the log start to the log end seen at start.

Reads with assigned partitions and never commits, so looking leaves no trace in any group. Only
committed records are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from confluent_kafka import (
    OFFSET_INVALID,
    ConsumerGroupTopicPartitions,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from bookpayctl.clients.kafka import (
    REQUEST_TIMEOUT_SECONDS,
    log_ranges,
    open_consumer,
    records_between,
)
from bookpayctl.judge.ledgers import GroupOffset, Log, PartitionRow, RecordRow
from runtime.domain.names import Service, Topic

TOPICS_OF_GROUP: Final = {
    Service.WORKER.value: (Topic.ORDERS_PLACED, Topic.ORDERS_CANCELLED),
    Service.ORDERS.value: (
        Topic.PAYMENTS_COMPLETED,
        Topic.PAYMENTS_FAILED,
        Topic.PAYMENTS_REFUNDED,
    ),
    Service.NOTIFIER.value: (Topic.ORDERS_CANCELLED, Topic.ORDERS_PAID, Topic.PAYMENTS_REFUNDED),
}
"""What each of our consumer groups reads, by the design, not by what it happens to have joined."""


def read_log(bootstrap_servers: str) -> Log:
    """Read all our topics and where each group stands.

    Raises:
        LogReadError, KafkaException: nothing may be concluded from a part of the log.
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
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    for group, topics in TOPICS_OF_GROUP.items():
        wanted = [TopicPartition(t, p) for t, p in partitions if t in topics]
        if not wanted:
            continue
        request = ConsumerGroupTopicPartitions(group, wanted)
        answer = admin.list_consumer_group_offsets(
            [request], request_timeout=REQUEST_TIMEOUT_SECONDS
        )[group].result()
        for found in answer.topic_partitions:
            committed = None if found.offset == OFFSET_INVALID else found.offset
            yield GroupOffset(group, found.topic, found.partition, committed)
