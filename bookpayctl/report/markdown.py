"""A report as Markdown, for a pull request, a job's summary or a chat.

Pure. Everything that a system said stands in code spans or is escaped, so that no id, answer or
name becomes a heading, a link or a mention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bookpayctl.report.result import Report
from bookpayctl.report.text import (
    SUPPRESSED_SYMBOL,
    SYMBOLS,
    UNCERTIFIED,
    counted,
    printable,
    suppression_of,
)
from bookpayctl.report.verdict import Item, Verdict

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~@&])")
_TOLD: Final = (Verdict.WARNING, Verdict.UNKNOWN, Verdict.VIOLATED)
"""Verdicts of which a reader wants to know more than that they are."""


def markdown_document(report: Report) -> str:
    """The verdict, a table of all answers, and what is to be known of those that are not well."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {SYMBOLS[report.verdict]} {report.verdict.value}: {_escaped(report.kind)}"
    yield ""
    yield (
        f"Exit {int(report.code)} ({report.reason}), {report.duration_seconds:.1f} s,"
        f" began {_escaped(report.started_at)}."
    )
    yield from (f"\n**Report lost:** {_code(lost)}" for lost in report.reports_lost)
    yield from (f"\n{_escaped(note)}" for note in report.notes)
    yield ""
    yield "| looked at | |"
    yield "|---|---|"
    yield from (f"| {_escaped(k)} | {_code(v)} |" for k, v in report.context.items() if v)
    if report.run_dir:
        yield f"| evidence | {_code(report.run_dir)} |"
    yield ""
    yield from _answers(report)
    for item in report.items:
        if item.verdict in _TOLD:
            yield from _details(item)


def _answers(report: Report) -> Iterator[str]:
    if not report.items:
        yield "Nothing was asked."
        return
    yield f"{len(report.items)} questions: {counted(report.items)}."
    yield ""
    yield "| | id | question | examined | observed |"
    yield "|---|---|---|--:|---|"
    for item in report.items:
        title = _escaped(item.title) + _label(item)
        yield (
            f"| {_shown(item)} | {_code(item.id)} | {title} | {item.examined}"
            f" | {_code(item.reason or item.observed)} |"
        )


def _label(item: Item) -> str:
    return "" if item.certified else f" ({UNCERTIFIED})"


def _details(item: Item) -> Iterator[str]:
    yield ""
    yield f"## {_symbol(item)} {_escaped(item.id)} {_escaped(item.title)}"
    yield ""
    if item.suppressed:
        yield f"- verdict: {_code(suppression_of(item))}"
    told = (("required", item.required), ("observed", item.observed), ("because", item.reason))
    yield from (f"- {label}: {_code(text)}" for label, text in told if text)
    yield from (f"- evidence: {_code(line)}" for line in item.evidence)
    if item.fix:
        yield f"- fix: {_code(item.fix)}"


def _shown(item: Item) -> str:
    return f"{_symbol(item)} {item.verdict_told}"


def _symbol(item: Item) -> str:
    # Escaped: two of them on a line would strike through what stands between.
    return f"\\{SUPPRESSED_SYMBOL}" if item.suppressed else SYMBOLS[item.verdict]


def _escaped(text: str) -> str:
    """Text that is read as text, in one line."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def _code(text: str) -> str:
    """A code span of any text, also in a table, where a pipe ends a cell even within one."""
    shown = printable(text)
    if not shown:
        return ""
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest or shown != shown.strip() else ""
    return f"{fence}{space}{shown}{space}{fence}".replace("|", "\\|")
