"""The log of a replay, read into the run's folder: at a rate, with progress, and to be resumed.

Reads with assigned partitions and never commits. The position is saved every two seconds, and at
the end whatever ends it, so that `--resume` goes on where this stopped.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bookpayctl.clients import kafka
from bookpayctl.clients.kafka_log import BATCH_MAX, batches_between
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.replay import evidence
from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.evidence import RecordsFile, SavedPosition
from bookpayctl.replay.pace import ReplayProgress, pause_seconds, slice_of
from bookpayctl.replay.position import Ranges, Where, records_in
from bookpayctl.replay.records import line_of

# What is read once more after a crash; each time costs two flushes of the disk.
SAVED_EVERY_SECONDS: Final = 2.0

DOING: Final = "records read"

Show = Callable[[ReplayProgress], None]


@dataclass(frozen=True, slots=True)
class Pacing:
    """How fast a replay goes and who is told.

    Attributes:
        rate: records in a second, at most; None as fast as it can.
    """

    rate: int | None = None
    show: Show = lambda _: None


def read_log(
    servers: KafkaServers, run: Path, position: SavedPosition, pacing: Pacing
) -> SavedPosition:
    """Read what is left of the ranges into the run's file of records.

    Returns:
        The position at the end, where nothing is left.

    Raises:
        ReplayError: the log could not be read to its end; what was read is kept.
        OSError: it could not be kept.
    """
    consumer = kafka.open_consumer(servers)
    try:
        with evidence.records_file(run, position.bytes) as file, uncollected():
            return _read(consumer, run, file, position, pacing)
    except (kafka.BrokerError, kafka.LogReadError) as error:
        raise ReplayError(f"the log could not be read: {error}") from error
    finally:
        consumer.close()


@contextmanager
def uncollected() -> Iterator[None]:
    """Without searches for garbage: they cost as much as having the records does.

    Each record is a dozen of objects that the collector counts, and none is part of a circle, so
    nothing is held that would have been given back.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read(
    consumer: kafka.LogConsumer,
    run: Path,
    file: RecordsFile,
    position: SavedPosition,
    pacing: Pacing,
) -> SavedPosition:
    total, done_before = records_in(position.ranges), position.done
    began = saved_at = time.monotonic()
    step = slice_of(pacing.rate, BATCH_MAX)
    try:
        for batch, reached in batches_between(consumer, position.left(), batch_max=step):
            length = file.put(map(line_of, batch))
            # Both at once: a length without its offsets would have records read twice.
            position = replace(position, reached=reached, bytes=length)
            now = time.monotonic()
            pacing.show(ReplayProgress(DOING, position.done, total, now - began, done_before))
            if now - saved_at >= SAVED_EVERY_SECONDS:
                _save(run, file, position)
                saved_at = now
            wait = pause_seconds(position.done - done_before, now - began, pacing.rate)
            if wait > 0:
                time.sleep(wait)
    finally:
        _save(run, file, position)
    return position


def _save(run: Path, file: RecordsFile, position: SavedPosition) -> None:
    """Records first, then the position that speaks of them."""
    file.secure()
    evidence.save(run, position)


def oldest_records(servers: KafkaServers, retained: Ranges) -> dict[Where, datetime | None]:
    """The time of the first record of each partition that was trimmed; None where none is left.

    Raises:
        ReplayError: the broker did not say.
    """
    trimmed = {
        where: (first, first + 1) for where, (first, end) in retained.items() if 0 < first < end
    }
    emptied = {where: None for where, (first, end) in retained.items() if 0 < first == end}
    found: dict[Where, datetime | None] = {**dict.fromkeys(trimmed), **emptied}
    consumer = kafka.open_consumer(servers)
    try:
        for batch, _ in batches_between(consumer, trimmed, batch_max=len(trimmed) or 1):
            for record in batch:
                kind, milliseconds = record.timestamp()
                where = (record.topic() or "", record.partition() or 0)
                if kind and where in found:
                    found[where] = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (kafka.BrokerError, kafka.LogReadError) as error:
        raise ReplayError(f"the log's beginning could not be read: {error}") from error
    finally:
        consumer.close()
    return found
