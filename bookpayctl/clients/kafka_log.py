"""A part of the log read in batches, as fast as the client gives it, and no faster than asked.

`kafka.records_between` makes a value of each record. Here a batch comes as the client has it, for
who looks at millions of records; nothing is committed, so no group knows of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from confluent_kafka import Consumer, Message, TopicPartition

from bookpayctl.clients.kafka import LogReadError, Ranges
from bookpayctl.clients.kafka_connection import OF_THE_GROUP

# One batch is one round through Python; beyond this it gains nothing and holds more in memory.
BATCH_MAX: Final = 5_000

# `consume` waits for a whole batch or this long, so it is what the last, short batch costs.
BATCH_SECONDS: Final = 0.05

STALLED_SECONDS_MAX: Final = 30.0
"""A broker that restarts is back by then; a log of any length may be read as long as it moves."""


def batches_between(
    consumer: Consumer, ranges: Ranges, *, batch_max: int = BATCH_MAX
) -> Iterator[tuple[list[Message], dict[tuple[str, int], int]]]:
    """Every record of the ranges, a batch at a time, with where to read on after it.

    Yields:
        At most `batch_max` records, in the order of each partition, and the next offset of each
        partition of the ranges. A batch may be empty where only transaction marks were passed.

    Raises:
        LogReadError: the client reported an error, or nothing moved for STALLED_SECONDS_MAX.
    """
    positions = {where: first for where, (first, _) in ranges.items()}
    open_ends = {where: end for where, (first, end) in ranges.items() if end > first}
    if not open_ends:
        return
    consumer.assign([TopicPartition(t, p, positions[t, p]) for t, p in open_ends])
    moved_at = time.monotonic()
    while open_ends:
        batch = _records_of(consumer.consume(num_messages=batch_max, timeout=BATCH_SECONDS))
        moved = _note_positions(consumer, positions, open_ends)
        if moved:
            moved_at = time.monotonic()
            yield _within(batch, ranges, all_open=len(open_ends) == len(ranges)), dict(positions)
        elif time.monotonic() - moved_at > STALLED_SECONDS_MAX:
            raise LogReadError(
                f"no end of {sorted(open_ends)}: nothing came in the last"
                f" {STALLED_SECONDS_MAX:.0f} s"
            )


def _note_positions(
    consumer: Consumer,
    positions: dict[tuple[str, int], int],
    open_ends: dict[tuple[str, int], int],
) -> bool:
    """Note how far the client is, and leave partitions that are read; whether anything moved."""
    moved = False
    # Position, not the last record: a transaction marker may be the last offset of a log.
    for found in consumer.position([TopicPartition(t, p) for t, p in open_ends]):
        where = (found.topic, found.partition)
        end = open_ends[where]
        reached = min(found.offset, end)
        if reached > positions[where]:
            moved = True
            positions[where] = reached
        if found.offset >= end:
            del open_ends[where]
            # Else what is written meanwhile would be fetched, too, for as long as this takes.
            consumer.pause([TopicPartition(*where)])
    return moved


def _within(batch: list[Message], ranges: Ranges, *, all_open: bool) -> list[Message]:
    """The records of the ranges; those behind the end of one came with its last ones."""
    if all_open:
        return batch
    return [
        message
        for message in batch
        if (message.offset() or 0) < ranges[message.topic() or "", message.partition() or 0][1]
    ]


def _records_of(batch: list[Message]) -> list[Message]:
    """The records among what came.

    Raises:
        LogReadError: an error came that is not of the group, which nobody asks anything.
    """
    errors = [message.error() for message in batch]
    for error in errors:
        if error is not None and error.code() != OF_THE_GROUP:
            raise LogReadError(f"reading the log failed: {error}")
    if not any(errors):
        return batch
    return [message for message, error in zip(batch, errors, strict=True) if error is None]
