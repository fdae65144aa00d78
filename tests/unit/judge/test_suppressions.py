"""A suppressed check is asked and shown, and does not count until its day: that and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.check import (
    Category,
    Check,
    CheckAnswer,
    CheckRequest,
    Inquiry,
    run_checks,
    suppress,
)
from bookpayctl.cli.reports import ReportFormat, render
from bookpayctl.report import record
from bookpayctl.report.difference import difference
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.targets.suppressions import Suppression, SuppressionError, suppressions_in
from tests.support.environments import environment_away
from tests.support.report_schema import problems
from tests.support.sample_reports import ITEMS, report_of

TODAY = datetime.now(UTC).date()
TOMORROW, YESTERDAY = TODAY + timedelta(days=1), TODAY - timedelta(days=1)
ANSWERS = {
    "holds": CheckAnswer(Verdict.HOLDS, "seen", 1),
    "warning": CheckAnswer(Verdict.WARNING, "soon", 1),
    "violated": CheckAnswer(Verdict.VIOLATED, "two", 2),
    "vacuous": CheckAnswer(Verdict.VACUOUS, "nothing", 0),
    "unknown": CheckAnswer(Verdict.UNKNOWN, "could not", 0, reason="it is away"),
}


def asking(answer: CheckAnswer) -> Callable[[Inquiry], CheckAnswer]:
    return lambda _: answer


def checked(
    root: Path,
    answers: list[CheckAnswer],
    *suppressions: Suppression,
    category: Category = Category.OPERATIONS,
    skipped: tuple[str, ...] = (),
) -> Report:
    """BP-X001 and on, asked of an environment whose servers are away."""
    (root / "secrets").mkdir(exist_ok=True)
    (root / "secrets" / "stripe-api-key").write_text("sk_test_of_nobody")
    checks = [
        Check(f"BP-X{n:03}", "title", "question", "required", "why", "fix", asking(one), category)
        for n, one in enumerate(answers, start=1)
    ]
    request = CheckRequest(
        environment_away(root), skipped=skipped, suppressions=suppressions, strict=True
    )
    return run_checks(checks, request, lambda _: None)


def suppression(until: date = TOMORROW, check_id: str = "BP-X001") -> Suppression:
    return Suppression(check_id, "known", until)


@pytest.mark.parametrize("verdict", ["warning", "violated"])
@pytest.mark.parametrize("until", [TODAY, TOMORROW])
def test_what_is_suppressed_keeps_its_verdict_and_does_not_count(
    verdict: str, until: date, tmp_path: Path
) -> None:
    report = checked(tmp_path, [ANSWERS[verdict], ANSWERS["holds"]], suppression(until))

    document = json.loads(render(report, ReportFormat.JSON))
    assert (report.verdict, report.code) == (Verdict.HOLDS, ExitCode.PASS)
    assert document["items"][0]["verdict"] == verdict
    assert document["items"][0]["suppressed"] == f"until {until}: known"
    assert (document["summary"][verdict], document["summary"]["suppressed"]) == (0, 1)
    assert problems(document) == []


def test_a_suppression_that_ended_counts_again_and_says_so(tmp_path: Path) -> None:
    report = checked(tmp_path, [ANSWERS["violated"]], suppression(YESTERDAY))

    assert report.code is ExitCode.VIOLATED
    assert report.items[0].suppressed == ""
    assert report.items[0].reason == f"its suppression ended: until {YESTERDAY}: known"
    assert report.notes == (
        f"BP-X001 counts again; its suppression ended: until {YESTERDAY}: known",
    )


@pytest.mark.parametrize("verdict", ["vacuous", "unknown", "holds"])
def test_nobody_can_suppress_what_is_no_answer(verdict: str, tmp_path: Path) -> None:
    answers = [ANSWERS[verdict], ANSWERS["holds"]]

    suppressed = checked(tmp_path, answers, suppression())
    plain = checked(tmp_path, answers)

    assert suppressed.items[0].suppressed == ""
    assert (suppressed.verdict, suppressed.code) == (plain.verdict, plain.code)


def test_a_report_of_which_nothing_counts_is_no_pass(tmp_path: Path) -> None:
    report = checked(tmp_path, [ANSWERS["violated"]], suppression())

    assert (report.verdict, report.code) == (Verdict.VACUOUS, ExitCode.VACUOUS)


def test_only_a_warning_or_a_violation_is_made_suppressed() -> None:
    with pytest.raises(ValueError, match="nobody can suppress"):
        Item("X", "t", Verdict.UNKNOWN, "r", "o", 0, reason="away", suppressed="until ever: so")


def test_a_suppression_of_another_check_changes_nothing() -> None:
    item = ITEMS["violated"]

    assert suppress(item, [suppression()], TODAY) is item


def test_one_of_the_checklist_is_told_before_anything_else(tmp_path: Path) -> None:
    answers = [ANSWERS["violated"], ANSWERS["holds"]]
    found = suppression()

    told = checked(tmp_path, answers, found, category=Category.CHECKLIST)
    skipped = checked(tmp_path, answers, found, category=Category.CHECKLIST, skipped=("BP-X001",))
    plain = checked(tmp_path, answers, found)

    lines = render(told, ReportFormat.TABLE).splitlines()
    assert lines[0].startswith("BP-X001 of the checklist does not count where it is violated")
    assert skipped.notes == ()
    assert plain.notes == ()


@pytest.mark.parametrize("output", list(ReportFormat))
def test_every_format_shows_the_verdict_and_until_when_it_does_not_count(
    output: ReportFormat,
) -> None:
    shown = render(report_of("holds", "suppressed"), output)

    assert "violated" in shown
    assert "until 2026-12-31: until the new" in shown


@pytest.mark.parametrize("output", list(ReportFormat))
def test_every_format_begins_with_what_has_to_be_known_first(output: ReportFormat) -> None:
    report = replace(report_of("holds"), notes=("BP-C001 counts again",))

    shown = re.sub(r"<style>.*</style>", "", render(report, output), flags=re.DOTALL)

    first_answer = shown.index("outbox table and partial index")
    assert 0 <= shown.replace("\\", "").index("BP-C001 counts again") < first_answer


def test_a_report_that_is_told_again_keeps_its_notes() -> None:
    report = replace(report_of("holds"), notes=("BP-C001 counts again",))

    again = record.report_of(json.loads(render(report, ReportFormat.JSON)))

    assert again.notes == report.notes


def test_a_verdict_that_no_longer_counts_is_a_difference_between_two_runs() -> None:
    suppressed = ITEMS["suppressed"]
    counting = replace(suppressed, suppressed="")

    found = difference({"BP-O005": counting}, {"BP-O005": suppressed}, {}, {})

    assert [(one.before, one.after) for one in found.verdicts] == [
        ("violated", "violated, suppressed")
    ]


def entry(**changes: object) -> dict[str, Any]:
    whole = {"id": "BP-O005", "reason": "known", "until": "2026-12-31", **changes}
    return {"suppress": [{name: value for name, value in whole.items() if value is not None}]}


@pytest.mark.parametrize("until", ["2026-12-31", date(2026, 12, 31)])
def test_an_entry_is_read_with_a_day_of_either_form(until: object) -> None:
    found = suppressions_in(entry(until=until))

    assert found == (Suppression("BP-O005", "known", date(2026, 12, 31)),)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (entry(id=None), "has no id"),
        (entry(reason=None), "has no reason"),
        (entry(reason="  "), "has no reason"),
        (entry(reason=7), "has no reason"),
        (entry(until=None), "no `until`"),
        (entry(until="soon"), "no `until`"),
        (entry(until="2026-02-30"), "no `until`"),
        (entry(until=datetime.now(UTC)), "no `until`"),
        (entry(untl="2026-12-31"), "has untl"),
        ({"suppress": "BP-O005"}, r"\[\[check.suppress\]\] and nothing else"),
        ({"suppress": ["BP-O005"]}, "must be a table"),
        ({"skip": []}, "and nothing else"),
        ("BP-O005", "and nothing else"),
        ({"suppress": entry()["suppress"] * 2}, "BP-O005 is suppressed twice"),
    ],
)
def test_an_entry_without_reason_or_day_is_refused(section: object, words: str) -> None:
    with pytest.raises(SuppressionError, match=words):
        suppressions_in(section)
