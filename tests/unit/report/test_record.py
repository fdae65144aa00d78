"""A report that was kept comes out again as it was, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bookpayctl.cli.reports import ReportFormat, render
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.record import RecordError, report_of
from bookpayctl.report.result import Report
from tests.support.sample_reports import ITEMS
from tests.support.sample_reports import report_of as sample

REPORTS = {
    **{name: sample(name) for name in ITEMS},
    **{f"{name}, warnings allowed": replace(sample(name), strict=False) for name in ITEMS},
    **{f"{name} of an audit": replace(sample(name), each_must_answer=False) for name in ITEMS},
    **{
        f"{name} and {code.name}": sample(name, incidents=(code,))
        for name in ITEMS
        for code in ExitCode
        if code not in (ExitCode.PASS, ExitCode.VIOLATED, ExitCode.WARNINGS)
    },
    "nothing": sample(),
    "all": sample(*ITEMS),
    "lost": replace(sample("holds"), reports_lost=("/dev/full: No space left",)),
    "two incidents": sample("holds", incidents=(ExitCode.INTERRUPTED, ExitCode.DIRTY)),
}


def document_of(report: Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(report, ReportFormat.JSON))
    return document


@pytest.mark.parametrize("name", REPORTS)
def test_a_kept_report_comes_to_the_same_verdict_and_code(name: str) -> None:
    document = document_of(REPORTS[name])

    assert document_of(report_of(document)) == document


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "holds"},
        {"exit": {"code": 0, "reason": "all_hold"}},
        {"verdict": "holds", "exit": {"code": 0, "reason": "all_hold"}},
        {"verdict": "splendid"},
        {"items": [{"id": "I01"}]},
        {"items": None},
        {"context": []},
        {"exit": 0},
    ],
    ids=str,
)
def test_a_report_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RecordError):
        report_of({**document_of(sample(*ITEMS)), **change})


def test_an_answer_that_was_mended_is_refused() -> None:
    document = document_of(sample("holds", "violated"))
    document["items"][1]["verdict"] = "holds"

    with pytest.raises(RecordError, match="do not come to verdict 'violated'"):
        report_of(document)
