"""Where a replay begins and ends, as an operator writes it, and which offsets that is. Pure.

Three forms: an edge of the log, a time, one partition's offset. Nothing is guessed: a time without
a zone, a partition that is not there and an offset that the log does not have are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, assert_never

from bookpayctl.replay.errors import PositionError

EARLIEST: Final = "earliest"
LATEST: Final = "latest"

Where = tuple[str, int]
Ranges = dict[Where, tuple[int, int]]
"""First and end offset of each partition, by topic and number; the end is not part of it."""

# Nineteen digits and more are no offset of Kafka's.
_PLACE: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class LogEdge:
    """Where the log begins, or where it ended when it was looked at."""


@dataclass(frozen=True, slots=True)
class LogTime:
    """The first record at or after a time, in each partition."""

    at: datetime


@dataclass(frozen=True, slots=True)
class LogPlace:
    """An offset of one partition; no other partition is meant."""

    partition: int
    offset: int


Position = LogEdge | LogTime | LogPlace

EDGE: Final = LogEdge()


def position_of(text: str, option: str, edge: str) -> Position:
    """What was written after `option`; `edge` is the word for the log's own edge there.

    Raises:
        PositionError: it is none of the three.
    """
    if text == edge:
        return EDGE
    place = _PLACE.fullmatch(text)
    if place is not None:
        return LogPlace(int(place[1]), int(place[2]))
    return LogTime(time_of(text, option, f"{edge}, ", ", or PARTITION:OFFSET"))


def time_of(text: str, option: str, before: str = "", behind: str = "") -> datetime:
    """A time with its zone, as it was written after `option`.

    Args:
        before, behind: what else might stand there, for the message.

    Raises:
        PositionError: it is none, or one when there was no Kafka.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise PositionError(
            f"{option} {text!r} must be {before}a time such as 2026-11-29T10:15:00Z{behind}"
        ) from None
    if at.tzinfo is None:
        raise PositionError(f"{option} {text!r} is a time without a zone; write {text}Z for UTC")
    if at < datetime(1970, 1, 1, tzinfo=UTC):
        # Kafka takes negative times for its own words, and would answer with an edge of the log.
        raise PositionError(f"{option} {text!r} is before 1970, when no record can have been made")
    return at


def offsets_of(
    position: Position,
    ranges: Ranges,
    *,
    option: str,
    at_edge: int,
    by_time: Mapping[Where, int],
) -> dict[Where, int]:
    """The offset that a position means in each partition that it speaks of.

    Args:
        at_edge: 0 for where ranges begin, 1 for where they end.
        by_time: the first offset at or after the position's time; only asked for a LogTime.

    Raises:
        PositionError: there is no such partition or offset, or several topics have one.
    """
    match position:
        case LogEdge():
            return {where: found[at_edge] for where, found in ranges.items()}
        case LogTime():
            return {where: by_time[where] for where in ranges}
        case LogPlace(partition, offset):
            return {_one_place(ranges, partition, offset, option): offset}
        case _:
            assert_never(position)


def between(ranges: Ranges, starts: Mapping[Where, int], ends: Mapping[Where, int]) -> Ranges:
    """What lies from `starts` to `ends`, in the partitions that both speak of.

    Raises:
        PositionError: they speak of no partition together, or one ends before it begins.
    """
    both = [where for where in ranges if where in starts and where in ends]
    if ranges and not both:
        raise PositionError("--from and --to are offsets of two partitions, so nothing is between")
    for where in both:
        if len(starts) == len(ends) == 1 and ends[where] < starts[where]:
            raise PositionError(f"--to {ends[where]} is before --from {starts[where]}")
    # Times may cross where a partition has nothing between them; then there is nothing to read.
    return {where: (starts[where], max(starts[where], ends[where])) for where in both}


def records_in(ranges: Ranges) -> int:
    """How many offsets that is; a compacted or transactional log may have fewer records."""
    return sum(end - first for first, end in ranges.values())


def newest(ranges: Ranges, records_max: int | None) -> Ranges:
    """The same ranges, begun later, so that about `records_max` of the newest are left.

    Each partition gets an even share; a partition with less than its share gives none of it away,
    so fewer may be read than allowed, never more.
    """
    if records_max is None:
        return dict(ranges)
    share, rest = divmod(records_max, max(1, len(ranges)))
    # What does not divide goes to the fullest, so that a small number reads something, too.
    fullest = sorted(ranges, key=lambda where: ranges[where][0] - ranges[where][1])[:rest]
    return {
        where: (max(first, end - share - (where in fullest)), end)
        for where, (first, end) in ranges.items()
    }


def _one_place(ranges: Ranges, partition: int, offset: int, option: str) -> Where:
    topics = sorted({topic for topic, _ in ranges})
    if len(topics) != 1:
        raise PositionError(
            f"{option} {partition}:{offset} is an offset of one topic; say which by one --topic"
        )
    where = (topics[0], partition)
    if where not in ranges:
        known = ", ".join(str(number) for _, number in sorted(ranges))
        raise PositionError(
            f"{option} {partition}:{offset}: {topics[0]} has no partition {partition}, only {known}"
        )
    first, end = ranges[where]
    if not first <= offset <= end:
        raise PositionError(
            f"{option} {partition}:{offset}: {topics[0]}/{partition} holds offsets from {first}"
            f" to {end}"
        )
    return where
