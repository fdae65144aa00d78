"""A report as Markdown: whole, and nothing that a system said becomes more than text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bookpayctl.report.markdown import markdown_document
from bookpayctl.report.verdict import Item, Verdict
from tests.support.goldens import assert_golden
from tests.support.sample_reports import ITEMS, report_of

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "a | b ` c `` d",
    "\n# a heading\n- [x](javascript:alert(1))",
    "\u202eevil\u2066 @everyone &lt;",
)


def test_a_report_as_markdown_is_the_golden_one() -> None:
    assert_golden("check-all.md", markdown_document(report_of(*ITEMS)))


def test_the_verdict_comes_first() -> None:
    assert markdown_document(report_of("violated")).startswith("# ✗ violated: CheckReport\n")


def without_code(text: str) -> str:
    """What a reader of Markdown reads as more than letters."""
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", re.sub(r"\\(.)", "", text))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_system_said_is_text(text: str) -> None:
    item = Item(text, text, Verdict.VIOLATED, text, text, 1, evidence=(text,), fix=text)
    report = replace(report_of(), items=(item,), context={"environment": text}, run_dir=text)

    written = markdown_document(report)

    left = without_code(written)
    assert not re.search(r"[<\[@]", left.replace("| | |", ""))
    assert [line[:4] for line in written.splitlines() if line.startswith("#")] == ["# ✗ ", "## ✗"]
    assert "\u202e" not in written
    rows = [line for line in written.splitlines() if line.startswith("| ✗")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [6]


def test_a_report_without_questions_says_so() -> None:
    assert "Nothing was asked." in markdown_document(report_of())
