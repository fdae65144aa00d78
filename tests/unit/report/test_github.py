"""What GitHub Actions is told: an annotation for each violation, and the job's summary."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpayctl.checks import CHECKS
from bookpayctl.cli.github import tell_github
from bookpayctl.report.github import JUDGE_PAGE, annotation_lines, place_of
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict

PAGES = {
    "runbooks/outage.md": "---\nrehearsed: x\n---\n# Away\n",
    "docs/judge.md": "# Judge\n\n| BP-C002 | one publisher |\n| `I10` | once |\n",
}
RED = Item(
    "BP-C002", "one, or 100%", Verdict.VIOLATED, "r", "two\nlead: a,b", 2, fix="bookpayctl status"
)


def report(*items: Item) -> Report:
    return Report("CertificateReport", {}, items, "now", 1.0, each_must_answer=False)


def test_a_violation_is_an_error_at_the_page_that_explains_it() -> None:
    (line,) = annotation_lines(report(RED), PAGES)

    where, _, words = line.removeprefix("::error ").partition("::")
    assert where == "file=docs/judge.md,line=3,title=BP-C002 one%2C or 100%25"
    assert words == "BP-C002: two lead: a,b; fix: bookpayctl status"


@pytest.mark.parametrize(
    ("item_id", "place"),
    [
        ("outage/at-kafka", ("runbooks/outage.md", 4)),
        ("runbook/outage/3", ("runbooks/outage.md", 4)),
        ("I10", ("docs/judge.md", 4)),
        ("kill-storm/at-everybody", ("docs/judge.md", 1)),
    ],
)
def test_a_drill_and_a_page_of_its_name_lead_to_the_runbook(
    item_id: str, place: tuple[str, int]
) -> None:
    assert place_of(Item(item_id, "t", Verdict.VIOLATED, "r", "o", 1), PAGES) == place


def test_every_question_of_check_has_its_own_line_on_the_page_of_the_judge() -> None:
    pages = {JUDGE_PAGE: (Path(__file__).parents[3] / JUDGE_PAGE).read_text()}

    lines = {
        place_of(Item(check.id, "t", Verdict.VIOLATED, "r", "o", 1), pages)[1] for check in CHECKS
    }

    assert len(lines) == len(CHECKS)
    assert 1 not in lines


def test_only_what_is_violated_and_counts_is_annotated() -> None:
    good = Item("I10", "t", Verdict.HOLDS, "r", "o", 1)
    known = Item("I10", "t", Verdict.VIOLATED, "r", "o", 1, suppressed="until tomorrow")
    unknown = Item("I10", "t", Verdict.UNKNOWN, "r", "o", 0, reason="away")

    assert list(annotation_lines(report(good, known, unknown), PAGES)) == []


def test_the_summary_is_appended_and_annotations_come_on_actions_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")

    tell_github(report(RED), {"GITHUB_STEP_SUMMARY": str(summary)})
    silent = capsys.readouterr()
    tell_github(report(RED), {"GITHUB_ACTIONS": "true"})
    spoken = capsys.readouterr()

    assert summary.read_text().startswith("before\n# ✗ violated: CertificateReport")
    assert (silent.out, silent.err) == ("", "")
    assert spoken.out == ""
    assert spoken.err.startswith("::error file=docs/judge.md,line=")


def test_a_summary_that_cannot_be_written_is_said_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_github(report(RED), {"GITHUB_STEP_SUMMARY": str(tmp_path)})

    assert "could not be written" in capsys.readouterr().err
