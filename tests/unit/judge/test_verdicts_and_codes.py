"""Verdicts combine to the worst, and the exit code follows from the report alone."""

from __future__ import annotations

import pytest

from bookpayctl.report.exit_code import ExitCode, code_of
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered, worst


def item(verdict: Verdict, examined: int = 1) -> Item:
    reason = "because" if verdict in (Verdict.UNKNOWN, Verdict.SKIPPED) else ""
    return Item("X01", "title", verdict, "required", "observed", examined, reason=reason)


def report(*verdicts: Verdict, each: bool = True, incidents: tuple[ExitCode, ...] = ()) -> Report:
    return Report(
        "TestReport",
        {"environment": "test"},
        tuple(item(verdict) for verdict in verdicts),
        "2026-11-22T12:00:00.000+00:00",
        1.5,
        each_must_answer=each,
        incidents=incidents,
    )


def test_an_item_cannot_hold_without_having_examined_something() -> None:
    with pytest.raises(ValueError, match="vacuous"):
        item(Verdict.HOLDS, examined=0)


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.SKIPPED])
def test_an_item_that_was_not_answered_says_why(verdict: Verdict) -> None:
    with pytest.raises(ValueError, match="without a reason"):
        Item("X01", "title", verdict, "required", "observed", 0)


def test_an_unanswered_question_is_unknown() -> None:
    assert unanswered("X01", "title", "required", "no route").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("verdicts", "each", "expected"),
    [
        ([], True, Verdict.VACUOUS),
        ([Verdict.SKIPPED], True, Verdict.VACUOUS),
        ([Verdict.HOLDS, Verdict.SKIPPED], True, Verdict.HOLDS),
        ([Verdict.HOLDS, Verdict.VACUOUS], True, Verdict.VACUOUS),
        ([Verdict.HOLDS, Verdict.VACUOUS], False, Verdict.HOLDS),
        ([Verdict.VACUOUS, Verdict.VACUOUS], False, Verdict.VACUOUS),
        ([Verdict.HOLDS, Verdict.UNKNOWN], False, Verdict.UNKNOWN),
        ([Verdict.UNKNOWN, Verdict.VIOLATED], False, Verdict.VIOLATED),
        ([Verdict.VACUOUS, Verdict.UNKNOWN], True, Verdict.UNKNOWN),
        ([Verdict.HOLDS, Verdict.WARNING], True, Verdict.WARNING),
    ],
)
def test_the_worst_verdict_wins(verdicts: list[Verdict], each: bool, expected: Verdict) -> None:
    assert worst(verdicts, each_must_answer=each) is expected


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.HOLDS, 0),
        (Verdict.VIOLATED, 1),
        (Verdict.UNKNOWN, 3),
        (Verdict.VACUOUS, 5),
        (Verdict.WARNING, 0),
    ],
)
def test_a_verdict_has_its_documented_exit_code(verdict: Verdict, code: int) -> None:
    assert int(code_of(verdict)) == code


def test_a_warning_exits_4_when_strict() -> None:
    assert code_of(Verdict.WARNING, strict=True) == 4


@pytest.mark.parametrize(
    ("incidents", "code"),
    [
        ((ExitCode.DIRTY, ExitCode.INTERRUPTED), 7),
        ((ExitCode.INTERRUPTED,), 130),
        ((ExitCode.TERMINATED,), 143),
        ((ExitCode.DEADLINE,), 1),
        ((ExitCode.VACUOUS,), 1),
    ],
)
def test_codes_have_one_priority(incidents: tuple[ExitCode, ...], code: int) -> None:
    assert int(report(Verdict.VIOLATED, incidents=incidents).code) == code


def test_unknown_beats_the_deadline_and_the_deadline_beats_vacuous() -> None:
    assert report(Verdict.UNKNOWN, incidents=(ExitCode.DEADLINE,)).code == 3
    assert report(Verdict.HOLDS, incidents=(ExitCode.DEADLINE, ExitCode.VACUOUS)).code == 124


def test_a_run_that_was_stopped_does_not_claim_that_all_holds() -> None:
    stopped = report(Verdict.HOLDS, incidents=(ExitCode.INTERRUPTED,))

    assert stopped.verdict is Verdict.UNKNOWN
    assert stopped.code == 130


def test_a_command_that_refused_to_begin_knows_nothing() -> None:
    refused = report(Verdict.VIOLATED, incidents=(ExitCode.REFUSED,))

    assert refused.verdict is Verdict.UNKNOWN
    assert refused.code == 6


def test_a_whole_that_looked_at_nothing_is_vacuous_although_a_part_held() -> None:
    empty = report(Verdict.HOLDS, each=False, incidents=(ExitCode.VACUOUS,))

    assert empty.verdict is Verdict.VACUOUS
    assert empty.code == 5
