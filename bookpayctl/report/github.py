"""A report for GitHub Actions: an annotation for each thing that is violated. Pure.

The annotation stands at the page that explains what to do: the runbook of that name where there is
one, else the page of the judge's questions.

Source:
    GitHub's "Workflow commands": what data and properties have to be escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from bookpayctl.report.result import Report
from bookpayctl.report.text import printable
from bookpayctl.report.verdict import Item, Verdict

JUDGE_PAGE: Final = "docs/judge.md"
RUNBOOKS: Final = "runbooks"
_DATA: Final = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_PROPERTY: Final = (*_DATA, (":", "%3A"), (",", "%2C"))


def annotation_lines(report: Report, pages: Mapping[str, str]) -> Iterator[str]:
    """A workflow command for each violation that counts.

    Args:
        pages: path in the repository -> text, of those that can be pointed at.
    """
    for item in report.items:
        if item.verdict is not Verdict.VIOLATED or item.suppressed:
            continue
        path, line = place_of(item, pages)
        words = f"{item.id}: {item.observed}" + (f"; fix: {item.fix}" if item.fix else "")
        title = _escaped(f"{item.id} {item.title}", _PROPERTY)
        where = f"file={_escaped(path, _PROPERTY)},line={line},title={title}"
        yield f"::error {where}::{_escaped(printable(words), _DATA)}"


def place_of(item: Item, pages: Mapping[str, str]) -> tuple[str, int]:
    """The page and the line, from 1, that explains a question."""
    first, _, rest = item.id.partition("/")
    slug = rest.partition("/")[0] if first == "runbook" else first
    runbook = f"{RUNBOOKS}/{slug}.md"
    if runbook in pages:
        return runbook, _line_with(pages[runbook], "# ")
    return JUDGE_PAGE, _line_with(pages.get(JUDGE_PAGE, ""), first)


def _line_with(text: str, words: str) -> int:
    """The first line that begins with the words, as a row may, or else has them as code; else 1."""
    lines = text.splitlines()
    heads = (words, f"| {words} |")
    starts = [number for number, line in enumerate(lines, start=1) if line.startswith(heads)]
    spans = [number for number, line in enumerate(lines, start=1) if f"`{words}`" in line]
    return next(iter((*starts, *spans)), 1)


def _escaped(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for character, code in pairs:
        text = text.replace(character, code)
    return text
