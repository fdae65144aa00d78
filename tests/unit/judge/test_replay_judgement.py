"""A replay passes only if it read everything it was asked to and nothing was charged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bookpayctl.checks.replay_charges_nobody import answer_of
from bookpayctl.replay.coverage import Coverage, coverage_of
from bookpayctl.replay.live import Replayed, starting_offsets
from bookpayctl.replay.money import Counted
from bookpayctl.replay.position import newest
from bookpayctl.report.verdict import Verdict
from tests.support import judged_shop as shop

BEFORE = Counted(executions=5, stripe_calls=6, payments=5, states="digest")
CLEAN = Replayed(
    group="bookpay-replay-1",
    expected=9,
    left_out=0,
    records=9,
    inserted=0,
    duplicates=5,
    malformed=0,
    settled=5,
    before=BEFORE,
    after=BEFORE,
    group_deleted=True,
)


def test_a_replay_that_changed_nothing_has_no_problems() -> None:
    assert CLEAN.problems() == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (replace(CLEAN, after=replace(BEFORE, executions=6)), "1 new executions at Stripe"),
        (replace(CLEAN, after=replace(BEFORE, stripe_calls=8)), "2 new calls to Stripe"),
        (replace(CLEAN, after=replace(BEFORE, payments=4)), "5 -> 4"),
        (replace(CLEAN, after=replace(BEFORE, states="other")), "changed its state"),
        (replace(CLEAN, after=replace(BEFORE, letters=1)), "1 new letters"),
        (replace(CLEAN, records=8), "only 8 of 9 records"),
        (replace(CLEAN, group_deleted=False), "could not be deleted"),
    ],
)
def test_each_thing_that_must_not_happen_is_a_problem(changed: Replayed, words: str) -> None:
    (problem,) = changed.problems()

    assert words in problem


def test_what_was_left_out_is_said_and_not_missed() -> None:
    partial = replace(CLEAN, left_out=4, records=5)

    assert partial.problems() == []
    assert "4 others left out" in partial.sentence()


def test_all_is_read_without_a_limit() -> None:
    ranges = {("orders.placed", 0): (3, 10), ("orders.placed", 1): (0, 2)}

    assert newest(ranges, None) == ranges


def test_a_limit_below_the_number_of_partitions_reads_the_fullest() -> None:
    ranges = {("orders.cancelled", 0): (0, 1), ("orders.placed", 0): (3, 10)}

    assert newest(ranges, 1) == {("orders.cancelled", 0): (1, 1), ("orders.placed", 0): (9, 10)}


def test_a_limit_reads_the_newest_and_never_more() -> None:
    ranges = {("orders.placed", 0): (3, 10), ("orders.placed", 1): (0, 2)}

    limited = newest(ranges, 4)

    assert limited == {("orders.placed", 0): (8, 10), ("orders.placed", 1): (0, 2)}
    assert sum(end - first for first, end in limited.values()) <= 4


def test_a_partition_that_was_not_chosen_is_read_from_its_end() -> None:
    ranges = {("orders.cancelled", 0): (0, 5), ("orders.placed", 0): (3, 10)}

    starts = starting_offsets(ranges, {("orders.placed", 0): (8, 10)})

    assert starts == {("orders.cancelled", 0): 5, ("orders.placed", 0): 8}


WEEK = timedelta(days=7)
PUBLISHED = {"old": shop.T0 - WEEK, "young": shop.T0 - WEEK + timedelta(seconds=1)}


def covered(*in_log: str, kept: timedelta | None = WEEK) -> Coverage:
    return coverage_of(PUBLISHED, frozenset(in_log), now=shop.T0, kept=kept)


def test_a_log_that_has_every_settled_order_is_silent() -> None:
    answer = answer_of(CLEAN, covered("old", "young"))

    assert answer.verdict is Verdict.HOLDS


def test_an_order_older_than_the_log_keeps_is_a_warning_that_counts_it() -> None:
    answer = answer_of(CLEAN, covered("young"))

    assert answer.verdict is Verdict.WARNING
    assert "1 of 2 settled orders are older than orders.placed" in answer.observed


def test_an_order_that_is_gone_before_its_time_is_violated_and_named() -> None:
    answer = answer_of(CLEAN, covered("old"))

    assert answer.verdict is Verdict.VIOLATED
    assert answer.observed == (
        "1 of 2 settled orders are not in orders.placed, which keeps records for 7 days: young"
    )


def test_a_log_that_promised_to_keep_all_for_ever_misses_even_the_oldest() -> None:
    assert covered("young", kept=None).missing == ("old",)


def test_a_topic_that_forgets_spoils_a_replay_that_charged_nobody() -> None:
    coverage = replace(covered("old", "young"), topics=("orders.paid: it does not exist",))

    assert answer_of(CLEAN, coverage).verdict is Verdict.VIOLATED


def test_a_warning_does_not_hide_that_somebody_was_charged() -> None:
    charged = replace(CLEAN, after=replace(BEFORE, executions=6))

    assert answer_of(charged, covered("young")).verdict is Verdict.VIOLATED


def test_a_replay_that_read_nothing_is_not_a_warning() -> None:
    nothing = replace(CLEAN, expected=0, records=0)

    assert answer_of(nothing, covered()).verdict is Verdict.VIOLATED
    assert answer_of(nothing, Coverage(2, expired=2, kept=WEEK)).verdict is Verdict.VACUOUS
