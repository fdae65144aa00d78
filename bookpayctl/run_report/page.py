"""One run as one HTML file: verdict first, then its course, every answer, and who was wronged.

Pure: a view in, a text out. The file holds everything that it shows, has no script, and forbids
itself to load any (Content-Security-Policy), so that it can be mailed, printed and kept.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from bookpayctl.report.exit_code import MEANINGS
from bookpayctl.report.text import (
    SUPPRESSED_SYMBOL,
    SYMBOLS,
    UNCERTIFIED,
    WORDS,
    shown_size,
    suppression_of,
)
from bookpayctl.report.verdict import MEANINGS as VERDICT_MEANINGS
from bookpayctl.report.verdict import SUPPRESSED, Item, Verdict, count_by_verdict
from bookpayctl.run_report.course import Course
from bookpayctl.run_report.figures import (
    Figure,
    backlog_figure,
    latency_figure,
    orders_figure,
)
from bookpayctl.run_report.markup import Child, Markup, element, joined, said
from bookpayctl.run_report.timelines import LEDGERS, LedgerEntry, OffenderTimeline
from bookpayctl.run_report.view import RunView

_NOT_WELL: Final = (Verdict.VIOLATED, Verdict.UNKNOWN, Verdict.WARNING)

_ORDERS_LEGEND: Final = (
    ("paid", "paid"),
    ("refunded", "refunded"),
    ("cancelled", "cancelled"),
    ("pending", "still open"),
)
_LATENCY_LEGEND: Final = (("median", "median"), ("p99", "99th percentile"))
_BACKLOG_LEGEND: Final = (("open", "orders without an end"), ("unpublished", "events unpublished"))


def html_page(view: RunView) -> str:
    """The whole file."""
    sections = joined(_verdict(view), _notes(view), _course(view), _answers(view),
                      _timelines(view), _sources(view), _footer(view))  # fmt: skip
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", _title(view)),
        Markup(f"<style>{_style()}</style>"),
    )
    page = element("html", head, element("body", sections), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


@cache
def _style() -> str:
    return files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def _policy() -> str:
    """Nothing is loaded and nothing runs; of styles, only the one in this file counts."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _title(view: RunView) -> str:
    report = view.report
    what = view.run.run_id if view.run else report.kind
    return f"{SYMBOLS[report.verdict]} {report.verdict.value}: {what}"


def _verdict(view: RunView) -> Markup:
    report = view.report
    counts = count_by_verdict(report.items)
    what = view.run.run_id if view.run else report.kind
    facts = [
        f"exit {int(report.code)} ({report.reason}): {MEANINGS[report.code]}",
        f"began {report.started_at}, took {report.duration_seconds:.1f} s",
    ]
    return element(
        "header",
        element("h1", f"{SYMBOLS[report.verdict]} {report.verdict.value}"),
        element("p", said(what), f" · {report.kind}"),
        [element("p", fact) for fact in facts],
        element(
            "ul",
            [element("li", f"{SYMBOLS[v]} {counts[v.value]} {WORDS[v]}")
             for v in Verdict if counts[v.value]],
            element("li", f"{SUPPRESSED_SYMBOL} {counts[SUPPRESSED]} {SUPPRESSED}")
            if counts[SUPPRESSED] else "",
            class_="counts",
        ),
        _list("", [_link(number, item) for number, item in enumerate(report.items, start=1)
                   if item.verdict in _NOT_WELL and not item.suppressed]),
        class_=f"verdict {report.verdict.value}",
    )  # fmt: skip


def _link(number: int, item: Item) -> Markup:
    words = f"{SYMBOLS[item.verdict]} {item.id} {item.title}"
    return joined(element("a", words, href=f"#answer-{number}"), ": ",
                  said(item.reason or item.observed))  # fmt: skip


def _notes(view: RunView) -> Markup:
    """What is not as a reader would take it to be, before anything else is shown."""
    report = view.report
    notes: list[Child] = [joined("report lost: ", said(lost)) for lost in report.reports_lost]
    notes += [said(note) for note in report.notes]
    if "refused" in report.context:
        notes.append(joined("refused: ", said(report.context["refused"])))
    notes += [said(missing) for missing in view.missing]
    if view.run and view.run.pending:
        notes.append(joined("still to be undone: ", said(", ".join(view.run.pending))))
    return _list("notes", notes)


def _course(view: RunView) -> Markup:
    course = view.course
    if course is None:
        return Markup("")
    window = course.window
    return element(
        "section",
        element("h2", "What happened"),
        element("p", f"From {_moment(window.began_at)} for {window.seconds:.1f} s, in steps of"
                     f" {window.bin_seconds:.2f} s. Numbers above the lines are those of the"
                     " table.", class_="faint"),
        _figure(
            "Orders placed, by what became of them",
            orders_figure(course),
            _orders_legend(course),
            *(["✗ named as wrong by an answer"] if any(course.offenders) else []),
        ),
        _figure("From order to end", latency_figure(course), _LATENCY_LEGEND)
        if any(course.latencies)
        else element("p", "No order of this time has a known end."),
        _figure(
            "Waiting",
            backlog_figure(course),
            _BACKLOG_LEGEND[: 1 if course.unpublished is None else 2],
        ),
        _marks_table(course),
    )  # fmt: skip


def _orders_legend(course: Course) -> list[tuple[str, str]]:
    """What stands for what, of what there is in the figure."""
    there = [status for status, counts in course.placed.items() if any(counts)]
    known = [(name, words) for name, words in _ORDERS_LEGEND if name in there]
    others = [status for status in there if status not in dict(_ORDERS_LEGEND)]
    return [
        *known,
        *([("other", ", ".join(others))] if others else []),
        *([("span", "a fault is being injected, or lasts")] if course.spans else []),
    ]


def _figure(caption: str, figure: Figure, legend: Sequence[tuple[str, str]], *more: str) -> Markup:
    entries = [
        element("li", element("span", class_=f"swatch {name}"), words) for name, words in legend
    ]
    return element(
        "div",
        element("h3", caption),
        element("p", figure.words, class_="faint"),
        element("figure", figure.drawn),
        element("ul", entries, [element("li", words) for words in more], class_="legend faint"),
        class_="figure",
    )


def _marks_table(course: Course) -> Markup:
    if not course.marks:
        return element("p", "No fault was injected in this time.")
    rows = [
        element(
            "tr",
            element("td", str(number), class_="count"),
            element("td", f"+{course.window.offset(mark.at):.2f} s"),
            element("td", mark.kind.value),
            element("td", mark.event.replace("_", " ")),
            element("td", said(mark.subject)),
            element("td", said(mark.detail)),
        )
        for number, mark in enumerate(course.marks, start=1)
    ]
    more = course.marks_left_out
    return joined(
        _table(("", "at", "what", "event", "to", "detail"), rows),
        element("p", f"and {more} more", class_="faint") if more else "",
    )


def _answers(view: RunView) -> Markup:
    items = [_item(number, item) for number, item in enumerate(view.report.items, start=1)]
    if not items:
        items = [element("p", "Nothing was asked.")]
    return element("section", element("h2", "Every question and its answer"), items)


def _item(number: int, item: Item) -> Markup:
    told = [("required", item.required), ("observed", item.observed), ("because", item.reason)]
    if item.suppressed:
        told.insert(0, ("verdict", suppression_of(item)))
    parts = [
        joined(element("dt", label), element("dd", said(words))) for label, words in told if words
    ]
    if item.evidence:
        evidence = element("ul", [element("li", said(line)) for line in item.evidence])
        parts.append(joined(element("dt", "evidence"), element("dd", evidence)))
    if item.fix:
        parts.append(joined(element("dt", "fix"), element("dd", element("code", item.fix))))
    took = f", {item.duration_ms} ms" if item.duration_ms else ""
    symbol = SUPPRESSED_SYMBOL if item.suppressed else SYMBOLS[item.verdict]
    heading = element(
        "h3",
        element("span", f"{symbol} {item.verdict.value}", class_="word",
                title=VERDICT_MEANINGS[item.verdict]),
        element("code", item.id),
        element("span", item.title),
        "" if item.certified else element("span", UNCERTIFIED, class_="examined"),
        element("span", f"examined {item.examined}{took}", class_="examined"),
    )  # fmt: skip
    return element(
        "article",
        heading,
        element("dl", parts),
        class_=f"item {'skipped' if item.suppressed else item.verdict.value}",
        id=f"answer-{number}",
    )


def _timelines(view: RunView) -> Markup:
    timelines = view.timelines
    if not timelines.told:
        return Markup("")
    named, told = len(timelines.offenders), len(timelines.told)
    note = f"Of {named} orders that are named as wrong, {told} are told."
    return element(
        "section",
        element("h2", "Orders that answers name"),
        element("p", note, class_="faint") if named > told else "",
        [_timeline(timeline) for timeline in timelines.told],
    )


def _timeline(timeline: OffenderTimeline) -> Markup:
    began_at = next((line.at for line in timeline.lines if line.at is not None), None)
    rows = [_timeline_row(line, began_at) for line in timeline.lines]
    silent = [name for name in LEDGERS if all(line.ledger != name for line in timeline.lines)]
    since = f"from {_moment(began_at)}; " if began_at else ""
    return joined(
        element("h3", said(timeline.order_id)),
        element("p", f"{since}named by {', '.join(timeline.named_by)}", class_="faint"),
        element("p", f"not a word of it in {' and '.join(silent)}") if silent else "",
        element("div", element("table", element("thead", element("tr", [
            element("th", name) for name in ("at", *LEDGERS)])),
            element("tbody", rows), class_="timeline"), class_="scroll"),
        element("p", f"and {timeline.left_out} more", class_="faint") if timeline.left_out else "",
    )  # fmt: skip


def _timeline_row(line: LedgerEntry, began_at: datetime | None) -> Markup:
    at = "no time"
    if line.at is not None and began_at is not None:
        at = f"+{(line.at - began_at).total_seconds():.3f} s"
    cells = [
        element("td", line.what, element("span", said(line.detail), class_="detail"),
                data_label=name) if name == line.ledger else element("td", "")
        for name in LEDGERS
    ]  # fmt: skip
    return element("tr", element("td", at), cells)


def _sources(view: RunView) -> Markup:
    context = [(k, v) for k, v in view.report.context.items() if v]
    facts = [element("tr", element("th", name), element("td", said(value)))
             for name, value in (*context, *view.sources)]  # fmt: skip
    tables = [
        element("tr", element("td", name), element("td", f"{rows:,}", class_="count"),
                element("td", element("code", sha256[:16])))
        for name, rows, sha256 in view.files
    ]  # fmt: skip
    absent = [joined(element("code", name), ": ", said(reason)) for name, reason in view.absent]
    return element(
        "section",
        element("h2", "What it stands on"),
        element("table", element("tbody", facts)),
        [element("h3", "Ledgers"), _table(("table", "rows", "SHA-256"), tables)] if tables else [],
        [element("h3", "Not read"), _list("", absent)] if absent else [],
    )


def _footer(view: RunView) -> Markup:
    run = view.run
    words = "bookpayctl made this page; it loads nothing and runs nothing."
    if run is None:
        return element("footer", element("p", words))
    evidence = f"Evidence: {shown_size(run.size_bytes)} in the folder of run "
    judged = joined(". To judge it again: ", element("code", f"bookpayctl verify {run.run_id}"))
    again = judged if view.files else Markup("")
    return element("footer", element("p", evidence, said(run.run_id), again), element("p", words))


def _table(head: tuple[str, ...], rows: list[Markup]) -> Markup:
    heading = element("thead", element("tr", [element("th", name) for name in head]))
    return element("div", element("table", heading, element("tbody", rows)), class_="scroll")


def _list(class_: str, entries: list[Child] | list[Markup]) -> Markup:
    if not entries:
        return Markup("")
    return element("ul", [element("li", entry) for entry in entries], class_=class_ or None)


def _moment(at: datetime) -> str:
    return f"{at.isoformat(sep=' ', timespec='milliseconds').removesuffix('+00:00')} UTC"
