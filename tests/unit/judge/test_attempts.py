"""`check --wait`: what does not hold is asked again, and each attempt is on record."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bookpayctl.check import Category, Check, CheckAnswer, CheckRequest, Inquiry, run_checks
from bookpayctl.cli.reports import ReportFormat, render
from bookpayctl.report.attempt import Attempt, with_attempts
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.record import report_of
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Verdict
from bookpayctl.runs.directory import JOURNAL_FILE
from tests.support.environments import environment_away
from tests.support.report_schema import problems
from tests.support.sample_reports import ITEMS

HOLDS = CheckAnswer(Verdict.HOLDS, "all well", 3, evidence=("a row",))
VIOLATED = CheckAnswer(Verdict.VIOLATED, "two", 2)
VACUOUS = CheckAnswer(Verdict.VACUOUS, "nothing", 0)
WARNING = CheckAnswer(Verdict.WARNING, "soon", 1)
ENOUGH_SECONDS = 60.0


class Asked:
    """A check that gives these answers in turn, and the last one for ever."""

    def __init__(self, *answers: CheckAnswer) -> None:
        self.answers: Iterator[CheckAnswer] = iter(answers)
        self.last = answers[-1]
        self.times = 0

    def __call__(self, _: Inquiry) -> CheckAnswer:
        self.times += 1
        return next(self.answers, self.last)


def checked(
    root: Path,
    *asked: Callable[[Inquiry], CheckAnswer],
    wait_seconds: float = ENOUGH_SECONDS,
    strict: bool = True,
) -> Report:
    """X1 and on, asked of an environment whose servers are away."""
    (root / "secrets").mkdir()
    (root / "secrets" / "stripe-api-key").write_text("sk_test_of_nobody")
    checks = [
        Check(f"X{n}", "title", "question", "required", "why", "fix", ask, Category.OPERATIONS)
        for n, ask in enumerate(asked, start=1)
    ]
    request = CheckRequest(
        environment_away(root), wait_seconds=wait_seconds, pause_seconds=0.001, strict=strict
    )
    return run_checks(checks, request, lambda _: None)


def told(report: Report) -> list[dict[str, str]]:
    """Of each attempt, what each was answered."""
    return [
        {answer.id: answer.verdict.value for answer in attempt.answers}
        for attempt in report.attempts
    ]


def test_only_what_did_not_hold_is_asked_again_until_it_holds(tmp_path: Path) -> None:
    well, slow = Asked(HOLDS), Asked(VIOLATED, VACUOUS, HOLDS)

    report = checked(tmp_path, well, slow)

    assert (well.times, slow.times) == (1, 3)
    assert told(report) == [{"X1": "holds", "X2": "violated"}, {"X2": "vacuous"}, {"X2": "holds"}]
    assert (report.verdict, report.code) == (Verdict.HOLDS, ExitCode.PASS)


def test_a_check_that_held_at_the_third_attempt_says_so(tmp_path: Path) -> None:
    report = checked(tmp_path, Asked(HOLDS), Asked(VIOLATED, VACUOUS, HOLDS))

    first, slow = report.items
    assert (first.observed, first.evidence) == ("all well", ("a row",))
    assert slow.observed == "all well (attempt 3; attempt 1 was violated)"
    assert [line.partition(" at ")[0] for line in slow.evidence] == [
        "a row",
        *("attempt 1", "attempt 2", "attempt 3"),
    ]
    assert slow.evidence[1].endswith(": violated: two")
    assert report.attempts[0].began_at in slow.evidence[1]


def test_the_journal_has_every_answer_with_its_attempt(tmp_path: Path) -> None:
    report = checked(tmp_path, Asked(VIOLATED, HOLDS))

    lines = (Path(report.run_dir or "") / JOURNAL_FILE).read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event["event"] == "check"]
    assert [(event["attempt"], event["verdict"]) for event in events] == [
        (1, "violated"),
        (2, "holds"),
    ]


@pytest.mark.parametrize("answer", [VIOLATED, WARNING, VACUOUS])
def test_what_never_holds_is_what_it_was_at_the_end_of_the_time(
    answer: CheckAnswer, tmp_path: Path
) -> None:
    asked = Asked(answer)

    report = checked(tmp_path, asked, wait_seconds=0.05)

    assert asked.times == len(report.attempts) > 1
    assert report.items[0].verdict is answer.verdict
    assert report.code is not ExitCode.PASS
    # It stayed the same, which is told once.
    assert len([line for line in report.items[0].evidence if line.startswith("attempt")]) == 1


def test_a_standing_warning_holds_nobody_up_who_is_not_strict(tmp_path: Path) -> None:
    standing = Asked(WARNING)

    report = checked(tmp_path, standing, Asked(VIOLATED, HOLDS), strict=False)

    assert standing.times == 1
    assert told(report) == [{"X1": "warning", "X2": "violated"}, {"X2": "holds"}]
    assert (report.verdict, report.code) == (Verdict.WARNING, ExitCode.PASS)


def test_without_a_wait_each_is_asked_once_and_that_is_on_record(tmp_path: Path) -> None:
    asked = Asked(VIOLATED, HOLDS)

    report = checked(tmp_path, asked, wait_seconds=0.0)

    assert asked.times == 1
    assert told(report) == [{"X1": "violated"}]
    assert report.items[0].observed == "two"


def test_a_signal_ends_the_asking_with_what_was_answered_before(tmp_path: Path) -> None:
    def interrupted(_: Inquiry) -> CheckAnswer:
        os.kill(os.getpid(), signal.SIGINT)
        return HOLDS

    report = checked(tmp_path, Asked(VIOLATED), interrupted)

    assert told(report) == [{"X1": "violated"}]
    assert [item.id for item in report.items] == ["X1"]
    assert ExitCode.INTERRUPTED in report.incidents


def test_the_document_has_the_attempts_and_is_read_again_as_it_was(tmp_path: Path) -> None:
    report = checked(tmp_path, Asked(VIOLATED, HOLDS))

    document = json.loads(render(report, ReportFormat.JSON))
    assert [attempt["number"] for attempt in document["attempts"]] == [1, 2]
    assert problems(document) == []
    assert report_of(document).attempts == report.attempts
    assert "2 attempts: what did not hold was asked again" in render(report, ReportFormat.TABLE)


def test_an_answer_of_the_first_attempt_is_left_as_it_is() -> None:
    item = ITEMS["violated"]
    attempt = Attempt(1, "2026-11-22T12:00:00.000+00:00").with_answer(item)

    assert with_attempts(item, [attempt]) is item
