"""Where a replay begins and ends: three forms, and whatever cannot be meant is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bookpayctl.replay.errors import PositionError
from bookpayctl.replay.position import (
    EDGE,
    LogPlace,
    LogTime,
    Position,
    between,
    offsets_of,
    position_of,
    records_in,
)
from bookpayctl.replay.ranges import topics_of

PLACED = {("orders.placed", 0): (3, 10), ("orders.placed", 1): (0, 2)}
TIME = LogTime(datetime(2026, 11, 29, 10, tzinfo=UTC))


def start_of(text: str) -> Position:
    return position_of(text, "--from", "earliest")


def test_each_of_the_three_forms_is_understood() -> None:
    assert start_of("earliest") == EDGE
    assert start_of("2026-11-29T10:00:00Z") == TIME
    assert start_of("2026-11-29T11:00:00+01:00") == TIME
    assert start_of("1:7") == LogPlace(1, 7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latest", "must be earliest, a time"),
        ("", "must be earliest"),
        ("2026-11-29T10:00:00", "a time without a zone"),
        ("2026-11-29", "a time without a zone"),
        ("1969-12-31T23:59:59Z", "before 1970"),
        ("0001-01-01T00:00:00Z", "before 1970"),
        ("1:", "must be earliest"),
        ("-1:5", "must be earliest"),
        ("1:-5", "must be earliest"),
        ("1:9999999999999999999", "must be earliest"),
        ("\u0661:\u0662", "must be earliest"),
        ("0:1:2", "must be earliest"),
    ],
)
def test_anything_else_is_refused_with_what_was_written(text: str, words: str) -> None:
    with pytest.raises(PositionError) as refused:
        start_of(text)

    assert f"--from {text!r}" in str(refused.value)
    assert words in str(refused.value)


def offsets(position: Position, at_edge: int = 0) -> dict[tuple[str, int], int]:
    by_time = {("orders.placed", 0): 7, ("orders.placed", 1): 2}
    return offsets_of(position, PLACED, option="--from", at_edge=at_edge, by_time=by_time)


def test_a_position_means_an_offset_in_each_partition_it_speaks_of() -> None:
    assert offsets(EDGE) == {("orders.placed", 0): 3, ("orders.placed", 1): 0}
    assert offsets(EDGE, 1) == {("orders.placed", 0): 10, ("orders.placed", 1): 2}
    assert offsets(TIME) == {("orders.placed", 0): 7, ("orders.placed", 1): 2}
    assert offsets(LogPlace(0, 10)) == {("orders.placed", 0): 10}


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (LogPlace(2, 0), "orders.placed has no partition 2, only 0, 1"),
        (LogPlace(0, 2), "orders.placed/0 holds offsets from 3 to 10"),
        (LogPlace(0, 11), "orders.placed/0 holds offsets from 3 to 10"),
    ],
)
def test_an_offset_that_the_log_does_not_have_is_refused_by_name(
    place: LogPlace, words: str
) -> None:
    with pytest.raises(PositionError, match=words):
        offsets(place)


def test_an_offset_of_several_topics_is_refused() -> None:
    both = {**PLACED, ("orders.paid", 0): (0, 1)}

    with pytest.raises(PositionError, match="say which by one --topic"):
        offsets_of(LogPlace(0, 5), both, option="--from", at_edge=0, by_time={})


def test_what_lies_between_is_what_both_speak_of() -> None:
    ranges = between(PLACED, offsets(LogPlace(0, 4)), offsets(EDGE, 1))

    assert ranges == {("orders.placed", 0): (4, 10)}
    assert records_in(ranges) == 6


def test_times_that_cross_have_nothing_between_them() -> None:
    ranges = between(PLACED, offsets(TIME), offsets(EDGE, 0))

    assert ranges == {("orders.placed", 0): (7, 7), ("orders.placed", 1): (2, 2)}


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (LogPlace(0, 5), LogPlace(1, 1), "two partitions"),
        (LogPlace(0, 5), LogPlace(0, 4), "--to 4 is before --from 5"),
    ],
)
def test_an_end_before_the_beginning_or_elsewhere_is_refused(
    start: LogPlace, end: LogPlace, words: str
) -> None:
    with pytest.raises(PositionError, match=words):
        between(PLACED, offsets(start), offsets(end, 1))


def test_a_topic_that_nobody_knows_is_refused_and_one_named_twice_is_read_once() -> None:
    assert topics_of(["a", "a"], ["a", "b"]) == ("a",)
    assert topics_of(None, ["a", "b"]) == ("a", "b")
    with pytest.raises(PositionError, match="'c' is not one of a, b"):
        topics_of(["c"], ["a", "b"])
