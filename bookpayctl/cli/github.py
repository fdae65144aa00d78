"""On GitHub Actions: the report as the job's summary, and what is violated as annotations.

Annotations go to stderr, which the runner reads as it reads stdout: stdout is the document's. What
cannot be written changes nothing of the verdict, and is said.

Source:
    GitHub's "Workflow commands" and "Default environment variables".
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bookpayctl.cli.output import hint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookpayctl.report.result import Report

SUMMARY_VARIABLE: Final = "GITHUB_STEP_SUMMARY"
ACTIONS_VARIABLE: Final = "GITHUB_ACTIONS"


def tell_github(report: Report, environ: Mapping[str, str] | None = None) -> None:
    """Append the summary and print the annotations, where a job asks for them."""
    from bookpayctl.report.github import annotation_lines
    from bookpayctl.report.markdown import markdown_document

    variables = os.environ if environ is None else environ
    summary = variables.get(SUMMARY_VARIABLE)
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(markdown_document(report))
        except OSError as error:
            hint(f"the job's summary {summary} could not be written: {error.strerror}")
    if variables.get(ACTIONS_VARIABLE) == "true":
        for line in annotation_lines(report, _pages()):
            sys.stderr.write(f"{line}\n")


def _pages() -> dict[str, str]:
    """Pages by the paths that a clone has them at, whether this runs in a clone or not."""
    from bookpayctl.report.github import JUDGE_PAGE, RUNBOOKS
    from bookpayctl.runbook.library import slugs, text_of

    pages = {f"{RUNBOOKS}/{slug}.md": text_of(slug) for slug in slugs()}
    judge = Path(__file__).parents[2] / JUDGE_PAGE
    if judge.is_file():
        pages[JUDGE_PAGE] = judge.read_text(encoding="utf-8")
    return pages
