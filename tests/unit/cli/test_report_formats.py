"""Every format of every verdict: one document, the same exit code, and goldens for what it says.

The expected texts are in tests/golden; a change to them is a change an operator can see.
"""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import typer

from bookpayctl.cli.reports import ReportFormat, finish
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.junit import junit_document
from bookpayctl.report.result import Report
from bookpayctl.report.text import Look, report_lines
from tests.support.goldens import assert_golden
from tests.support.sample_reports import ITEMS, report_of

CODES = {
    "holds": 0,
    "warning": 4,
    "skipped": 5,
    "vacuous": 5,
    "unknown": 3,
    "violated": 1,
    # Alone it leaves nothing that counts.
    "suppressed": 5,
}

PLAIN = Look(ascii_only=True, detailed=True)


def printed(
    report: Report, output: ReportFormat, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """The exit code, and what stands on stdout."""
    with pytest.raises(typer.Exit) as left:
        finish(report, output, [])
    return left.value.exit_code, capsys.readouterr().out


@pytest.mark.parametrize("output", list(ReportFormat))
@pytest.mark.parametrize("name", list(ITEMS))
def test_a_verdict_exits_the_same_in_every_format(
    name: str, output: ReportFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = printed(report_of(name), output, capsys)

    assert code == CODES[name]


@pytest.mark.parametrize("output", list(ReportFormat))
@pytest.mark.parametrize(
    ("incident", "expected"),
    [
        (ExitCode.REFUSED, 6),
        (ExitCode.DIRTY, 7),
        (ExitCode.DEADLINE, 124),
        (ExitCode.INTERRUPTED, 130),
        (ExitCode.TERMINATED, 143),
    ],
)
def test_an_incident_exits_the_same_in_every_format(
    incident: ExitCode, expected: int, output: ReportFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = printed(report_of("holds", incidents=(incident,)), output, capsys)

    assert code == expected


def test_json_is_one_document_that_repeats_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out = printed(report_of(*ITEMS), ReportFormat.JSON, capsys)

    document = json.loads(out)
    assert document["apiVersion"] == "bookpay/v1"
    assert document["kind"] == "CheckReport"
    assert document["exit"] == {"code": code, "reason": "violated"}
    assert document["summary"] == dict.fromkeys(
        ("holds", "skipped", "warning", "vacuous", "unknown", "violated", "suppressed"), 1
    )


def test_junit_is_one_document_with_a_case_per_item(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = printed(report_of(*ITEMS), ReportFormat.JUNIT, capsys)

    suite = ElementTree.fromstring(out)  # noqa: S314 - ours
    assert suite.tag == "testsuite"
    assert suite.get("tests") == "7"
    assert suite.get("failures") == "1"
    assert suite.get("errors") == "2"
    assert suite.get("skipped") == "2"


@pytest.mark.parametrize(
    "report",
    [
        report_of(),
        report_of(incidents=(ExitCode.REFUSED,)),
        report_of("holds", incidents=(ExitCode.INTERRUPTED,)),
        report_of("skipped"),
        report_of("suppressed"),
    ],
    ids=["nothing", "refused", "interrupted", "all-skipped", "all-suppressed"],
)
def test_junit_never_shows_green_for_a_code_that_is_not_0(report: Report) -> None:
    suite = ElementTree.fromstring(junit_document(report))  # noqa: S314 - ours

    assert report.code is not ExitCode.PASS
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")


@pytest.mark.parametrize("name", [*ITEMS, "all"])
def test_the_text_of_a_report_is_the_golden_one(name: str) -> None:
    report = report_of(*ITEMS) if name == "all" else report_of(name)

    text = "\n".join(report_lines(report, PLAIN)) + "\n"

    assert_golden(f"check-{name}.txt", text)


def test_a_report_as_json_is_the_golden_one(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = printed(report_of(*ITEMS), ReportFormat.JSON, capsys)

    assert_golden("check-all.json", out)


def test_a_report_as_junit_is_the_golden_one(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = printed(report_of(*ITEMS), ReportFormat.JUNIT, capsys)

    assert_golden("check-all.xml", out)


def test_colour_adds_nothing_that_is_not_in_the_text() -> None:
    plain = list(report_lines(report_of(*ITEMS), PLAIN))

    coloured = list(report_lines(report_of(*ITEMS), replace(PLAIN, colour=True)))

    uncoloured = [line.replace("\x1b[0m", "") for line in coloured]
    for code in ("\x1b[32m", "\x1b[2m", "\x1b[33m", "\x1b[31m"):
        uncoloured = [line.replace(code, "") for line in uncoloured]
    assert uncoloured == plain


def test_folding_hides_no_item_that_does_not_hold() -> None:
    text = "\n".join(report_lines(report_of(*ITEMS), replace(PLAIN, fold="BP-")))

    assert "1 invariants hold over 10 facts, 1 had nothing to examine" in text
    assert "BP-C005" in text
    assert "BP-C006" in text
