"""What a control shows: red for its own reason where it is wrong, and not where it is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bookpayctl.controls.control import UNSETTLED, RedAnswer, WrongStack
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import item_document
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.selftest.report import selftest_report
from bookpayctl.selftest.stacks import Asked, item_of, without_control

CONTROL = WrongStack(
    "no-lock", "nobody locks", ("check", "--only", "BP-C002"), (RedAnswer("BP-C002", "0 sessions"),)
)


def asked(verdict: str, observed: str = "0 sessions hold it") -> Asked:
    answer: dict[str, Any] = {"verdict": verdict, "observed": observed, "evidence": ["a line"]}
    return Asked({"BP-C002": answer})


RIGHT = asked("holds", "one holds it")


@pytest.mark.parametrize("verdict", ["violated", "warning"])
def test_a_question_that_finds_out_holds(verdict: str) -> None:
    item = item_of(CONTROL, RIGHT, asked(verdict))

    assert item.verdict is Verdict.HOLDS
    assert item.observed == f"BP-C002: holds, then {verdict}; exit 1"
    assert item.evidence == ("BP-C002: 0 sessions hold it; a line",)


@pytest.mark.parametrize("verdict", ["holds", "unknown", "vacuous", "skipped"])
def test_a_question_that_does_not_find_out_is_broken(verdict: str) -> None:
    item = item_of(CONTROL, RIGHT, asked(verdict))

    assert item.verdict is Verdict.VIOLATED
    assert item.observed == f"BP-C002 stays {verdict}"


def test_the_question_that_comes_before_all_others_says_no_by_being_unknown() -> None:
    unsettled = replace(CONTROL, red=(RedAnswer("BP-C002", "no two alike", UNSETTLED),))
    moving = unanswered("BP-C002", "two looks", "one digest", "3 looks and no two alike")
    unknown = Asked({moving.id: item_document(moving)})

    assert item_of(unsettled, RIGHT, unknown).verdict is Verdict.HOLDS
    assert item_of(unsettled, RIGHT, asked("violated", "no two alike")).verdict is Verdict.VIOLATED
    assert item_of(unsettled, unknown, unknown).verdict is Verdict.UNKNOWN


def test_a_command_that_says_no_and_ends_with_0_is_broken() -> None:
    red = replace(asked("violated"), code=ExitCode.PASS)
    warned = replace(asked("warning"), code=ExitCode.PASS)

    assert item_of(CONTROL, RIGHT, red).verdict is Verdict.VIOLATED
    assert "ends with exit 0" in item_of(CONTROL, RIGHT, red).observed
    # Which is a pass without --strict.
    assert item_of(CONTROL, RIGHT, warned).verdict is Verdict.HOLDS


def test_red_for_another_reason_is_no_finding() -> None:
    item = item_of(CONTROL, RIGHT, asked("violated", "nobody answers"))

    assert item.verdict is Verdict.VIOLATED
    assert "not because of '0 sessions'" in item.observed


def test_a_question_that_was_not_answered_at_all_is_broken() -> None:
    item = item_of(CONTROL, RIGHT, Asked())

    assert item.observed == "BP-C002 stays not among the answers"


def test_where_the_right_stack_is_red_nothing_is_certified() -> None:
    item = item_of(CONTROL, asked("violated"), asked("violated"))

    assert item.verdict is Verdict.UNKNOWN
    assert item.reason.startswith("BP-C002 is red where nothing is wrong")


@pytest.mark.parametrize(
    ("right", "wrong", "which"),
    [
        (Asked(failure="no ports"), asked("violated"), "right"),
        (RIGHT, Asked(failure="no"), "wrong"),
    ],
)
def test_a_stack_that_did_not_come_up_says_nothing(right: Asked, wrong: Asked, which: str) -> None:
    item = item_of(CONTROL, right, wrong)

    assert item.verdict is Verdict.UNKNOWN
    assert item.reason.startswith(f"the stack that is {which}")


def test_only_uncertified_questions_make_a_selftest_of_nothing() -> None:
    report = selftest_report("check", [without_control("BP-O008", "the disk has room")])

    assert report.code is ExitCode.VACUOUS
    assert report.items[0].reason.startswith("uncertified: ")


def test_answers_that_were_begun_are_ended_when_the_asking_fails() -> None:
    ended = []

    def answers() -> Iterator[Item]:
        try:
            yield without_control("BP-O008", "the disk has room")
            raise RuntimeError("broken")
        finally:
            ended.append(True)

    with pytest.raises(RuntimeError, match="broken"):
        selftest_report("check", answers())
    assert ended == [True]
