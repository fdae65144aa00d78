"""How fast a replay goes, when it will be over, and what is said of it."""

from __future__ import annotations

import pytest

from bookpayctl.cli.pacing import sentence
from bookpayctl.replay.pace import ReplayProgress, pause_seconds, rate_of, slice_of


def test_a_rate_is_a_whole_number_of_records_in_a_second() -> None:
    assert (rate_of("500"), rate_of("500/s")) == (500, 500)
    for text in ("", "0", "0/s", "-1", "1.5", "10/m", "\u0661"):
        with pytest.raises(ValueError, match="must be a whole number"):
            rate_of(text)


def test_who_is_ahead_of_the_rate_waits_for_it() -> None:
    assert pause_seconds(100, 0.5, 100) == 0.5
    assert pause_seconds(100, 2.0, 100) == 0.0
    assert pause_seconds(100, 0.0, None) == 0.0


def test_with_a_rate_work_comes_in_tenths_of_a_second() -> None:
    assert slice_of(None, 5000) == 5000
    assert slice_of(1000, 5000) == 100
    assert slice_of(5, 5000) == 1
    assert slice_of(1_000_000, 5000) == 5000


def test_what_is_left_is_told_at_the_pace_until_now() -> None:
    seen = ReplayProgress("records read", 12_000, 118_000, seconds=2.0)

    assert sentence(seen) == "12,000 of 118,000 records read, 6,000/s, 17s left"


def test_a_resumed_replay_does_not_take_what_was_done_before_for_its_pace() -> None:
    seen = ReplayProgress("records read", 60, 100, seconds=10.0, done_before=50)

    assert sentence(seen) == "60 of 100 records read, 1/s, 40s left"


def test_nothing_is_guessed_at_the_beginning_and_nothing_is_left_at_the_end() -> None:
    assert sentence(ReplayProgress("records read", 0, 100, 0.0)) == "0 of 100 records read, 0/s"
    assert sentence(ReplayProgress("records read", 9, 9, 3.0)) == "9 of 9 records read, 3/s"
