"""A report for a person: one line per answer, and everything that is needed where it is not good.

Pure: a report in, lines out. Symbols have plain-letter forms, and no meaning hangs on colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bookpayctl.report.result import Report
from bookpayctl.report.verdict import SUPPRESSED, Item, Verdict, count_by_verdict

TITLE_WIDTH: Final = 42
LABEL_WIDTH: Final = 10
ID_WIDTH_MIN: Final = 8
DEFAULT_NAME: Final = "default"
EVIDENCE_WIDTH: Final = 140
INDENT: Final = " " * 11
_NEXT_UNIT: Final = 1_000

SYMBOLS: Final = {
    Verdict.HOLDS: "✓",
    Verdict.SKIPPED: "-",
    Verdict.WARNING: "!",
    Verdict.VACUOUS: "∅",
    Verdict.UNKNOWN: "?",
    Verdict.VIOLATED: "✗",
}
ASCII_SYMBOLS: Final = {
    Verdict.HOLDS: "ok",
    Verdict.SKIPPED: "--",
    Verdict.WARNING: "!!",
    Verdict.VACUOUS: "00",
    Verdict.UNKNOWN: "??",
    Verdict.VIOLATED: "xx",
}

UNCERTIFIED: Final = "uncertified"
"""Of a question that no control turns red: whether it could say no has not been shown."""

WORDS: Final = {
    Verdict.HOLDS: "hold",
    Verdict.SKIPPED: "skipped",
    Verdict.WARNING: "with warnings",
    Verdict.VACUOUS: "examined nothing",
    Verdict.UNKNOWN: "unknown",
    Verdict.VIOLATED: "violated",
}

COLOURS: Final = {
    Verdict.HOLDS: "\x1b[32m",
    Verdict.SKIPPED: "\x1b[2m",
    Verdict.WARNING: "\x1b[33m",
    Verdict.VACUOUS: "\x1b[33m",
    Verdict.UNKNOWN: "\x1b[33m",
    Verdict.VIOLATED: "\x1b[31m",
}
RESET: Final = "\x1b[0m"
SUPPRESSED_SYMBOL: Final = "~"
ASCII_SUPPRESSED_SYMBOL: Final = "~~"
"""Of an answer that does not count, whatever its verdict."""


@dataclass(frozen=True, slots=True)
class Look:
    """How lines are drawn.

    Attributes:
        colour: whether the symbols are coloured.
        ascii_only: plain letters instead of symbols, for old terminals and encodings.
        detailed: observation and evidence also where everything holds.
        fold: items whose id begins with this and that hold are only counted, in one line; a
            drill's reader came for the drill, not for thirty invariants that are as they were.
    """

    colour: bool = False
    ascii_only: bool = False
    detailed: bool = False
    fold: str | None = None


def report_lines(report: Report, look: Look) -> Iterator[str]:
    """The whole report; the last line has verdict, exit code and where the evidence is."""
    yield from (printable(note) for note in report.notes)
    if report.notes:
        yield ""
    yield from items_lines(report.items, look)
    if report.items:
        yield ""
    yield from summary_lines(report, look)


def items_lines(items: Sequence[Item], look: Look) -> Iterator[str]:
    """Every item, those to be folded as one line at their place's end."""
    folded = [item for item in items if _is_folded(item, look)]
    width = id_width(items)
    for item in items:
        if item not in folded:
            yield from item_lines(item, look, width=width)
    if folded:
        first, last = folded[0].id, folded[-1].id
        holding = [item for item in folded if item.verdict is Verdict.HOLDS]
        facts = sum(item.examined for item in holding)
        vacuous = len(folded) - len(holding)
        nothing = f", {vacuous} had nothing to examine" if vacuous else ""
        yield (
            f"{mark(Verdict.HOLDS, look)} {first}-{last}  {len(holding)} invariants hold"
            f" over {facts} facts{nothing}"
        )


def _is_folded(item: Item, look: Look) -> bool:
    foldable = item.verdict in (Verdict.HOLDS, Verdict.VACUOUS)
    return look.fold is not None and item.id.startswith(look.fold) and foldable


def short_id(item: Item) -> str:
    """The id as a person reads it under its drill's name: what stands behind the slash."""
    return item.id.rpartition("/")[2]


def id_width(items: Sequence[Item]) -> int:
    """How wide the column of ids has to be."""
    return max([ID_WIDTH_MIN, *(len(short_id(item)) for item in items)])


def item_lines(item: Item, look: Look, *, width: int = ID_WIDTH_MIN) -> Iterator[str]:
    """One answer: a line, then details if they were asked for or something is not as required."""
    examined = f"examined {item.examined:>6}" if item.examined else " " * 15
    took = f"{item.duration_ms:>7} ms" if item.duration_ms else ""
    symbol = _suppressed_mark(look) if item.suppressed else mark(item.verdict, look)
    head = f"{symbol} {short_id(item):<{width}} {item.title:<{TITLE_WIDTH}} {examined}{took}"
    yield head.rstrip() if item.certified else f"{head.rstrip()}  {UNCERTIFIED}"
    if item.verdict is Verdict.HOLDS:
        if look.detailed:
            yield f"{INDENT}{printable(item.observed)}"
            yield from (f"{INDENT}  {shortened(line)}" for line in item.evidence)
        return
    if item.verdict is Verdict.SKIPPED:
        yield _labelled("skipped", item.reason)
        return
    if item.verdict is Verdict.VACUOUS and not look.detailed:
        return
    if item.suppressed:
        yield _labelled("verdict", suppression_of(item))
    yield _labelled("required", item.required)
    yield _labelled("observed", item.observed)
    if item.reason:
        yield _labelled("because", item.reason)
    for line in item.evidence:
        yield _labelled("evidence", shortened(line))
    if item.fix:
        yield _labelled("fix", item.fix)


def summary_lines(report: Report, look: Look) -> Iterator[str]:
    """What it all comes to."""
    if report.items:
        yield f"{len(report.items)} questions: {counted(report.items)}"
    if len(report.attempts) > 1:
        yield f"{len(report.attempts)} attempts: what did not hold was asked again"
    if "refused" in report.context:
        yield f"refused: {report.context['refused']}"
    yield (
        f"{mark(report.verdict, look)} verdict {report.verdict.value}"
        f"   exit {int(report.code)} ({report.reason})   {report.duration_seconds:.1f} s"
    )
    yield from (f"report lost: {printable(lost)}" for lost in report.reports_lost)
    if report.run_dir:
        yield f"evidence: {report.run_dir}"
    name = report.context.get("environment", DEFAULT_NAME)
    if (
        "mapping" not in report.context
        and name != DEFAULT_NAME
        and any(item.fix for item in report.items)
    ):
        yield f"environment: {name}; for the fixes above: export BOOKPAY_NAME={name}"


def counted(items: Sequence[Item]) -> str:
    """How many have each verdict and how many are suppressed, in words; none is left out."""
    counts = count_by_verdict(items)
    parts = [f"{counts[v.value]} {WORDS[v]}" for v in Verdict if counts[v.value]]
    if counts[SUPPRESSED]:
        parts.append(f"{counts[SUPPRESSED]} {SUPPRESSED}")
    return ", ".join(parts) + _uncertified(items)


def _uncertified(items: Sequence[Item]) -> str:
    """How many questions nobody has shown to be able to say no; nothing where all are."""
    count = sum(1 for item in items if not item.certified)
    return f"; {count} {UNCERTIFIED}" if count else ""


def suppression_of(item: Item) -> str:
    """What an answer that does not count says, until when it does not, and why."""
    return f"{item.verdict_told} {item.suppressed}"


def mark(verdict: Verdict, look: Look) -> str:
    """The symbol of a verdict."""
    symbol = (ASCII_SYMBOLS if look.ascii_only else SYMBOLS)[verdict]
    return f"{COLOURS[verdict]}{symbol}{RESET}" if look.colour else symbol


def _suppressed_mark(look: Look) -> str:
    return ASCII_SUPPRESSED_SYMBOL if look.ascii_only else SUPPRESSED_SYMBOL


def shortened(text: str) -> str:
    """One line of evidence cut to the screen; other formats carry all of it."""
    shown = printable(text)
    return shown if len(shown) <= EVIDENCE_WIDTH else f"{shown[: EVIDENCE_WIDTH - 1]}…"


def printable(text: str) -> str:
    """One line without control characters: no answer of a server drives the reader's terminal."""
    one_line = " ".join(text.split())
    return "".join(char if char.isprintable() else "\ufffd" for char in one_line)


def shown_size(size_bytes: int) -> str:
    """Bytes for a person, in powers of 1,000: `812 B`, `31.4 kB`, `2.1 MB`."""
    size, units = float(size_bytes), ["B", "kB", "MB", "GB"]
    while size >= _NEXT_UNIT and len(units) > 1:
        size /= _NEXT_UNIT
        units.pop(0)
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"


def _labelled(label: str, text: str) -> str:
    return f"{INDENT}{label:<{LABEL_WIDTH}}{printable(text)}"
