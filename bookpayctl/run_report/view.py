"""Everything that the page of a run shows, gathered from its report and its folder.

A part that is not there, or cannot be read, is missing on the page with the reason; the report's
answers are shown whatever is missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bookpayctl.judge.audit import LEDGERS_DIR
from bookpayctl.judge.ledgers import manifest
from bookpayctl.judge.ledgers.store import LedgerConnection, StoreError, open_folder, opened
from bookpayctl.report.result import Report
from bookpayctl.run_report import ledgers
from bookpayctl.run_report.course import Course, shown_marks, window_of
from bookpayctl.run_report.timelines import OffenderTimelines, timelines_of
from bookpayctl.runs.directory import JOURNAL_FILE, read_lines
from bookpayctl.runs.listing import ListedRun, described
from bookpayctl.runs.marks import JournalMark, MarkKind, Span, marks_of, spans_of, time_of

# Runs that judge a whole environment: their own minutes are not those of its orders.
_OF_THE_WHOLE: Final = frozenset({"audit", "certify", "check", "replay", "webhook"})

NO_TIMELINES: Final = OffenderTimelines((), ())


@dataclass(frozen=True, slots=True)
class RunView:
    """What the page shows.

    Attributes:
        run: as it lies on disk; None where a command keeps none.
        missing: what cannot be shown, and why, a sentence each.
        sources: what was read, and by what.
        files: rows and SHA-256 of each ledger.
        absent: ledgers that were not read, and why.
    """

    report: Report
    run: ListedRun | None = None
    course: Course | None = None
    timelines: OffenderTimelines = NO_TIMELINES
    marks: tuple[JournalMark, ...] = ()
    missing: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, int, str], ...] = ()
    absent: tuple[tuple[str, str], ...] = ()


def view_of(report: Report, folder: Path | None) -> RunView:
    """Gather it all; raises nothing for what is not there.

    Args:
        folder: the run's; None where the command kept none.
    """
    if folder is None or not folder.is_dir():
        return RunView(report, missing=("there is no folder of a run, so only answers are shown",))
    view = RunView(report, run=described(folder.resolve(), named=False))
    try:
        lines = list(read_lines(folder / JOURNAL_FILE))
    except (OSError, ValueError) as error:
        return replace(view, missing=(f"the journal cannot be read: {error}",))
    view = replace(view, marks=tuple(marks_of(lines)))
    if not (folder / LEDGERS_DIR).is_dir():
        return replace(view, missing=("no ledgers were kept, so there is no course of orders",))
    try:
        with opened() as connection:
            open_folder(connection, folder / LEDGERS_DIR)
            return _with_ledgers(view, folder, connection, lines)
    except (StoreError, OSError) as error:
        reason = " ".join(str(error).split())
        return replace(view, missing=(f"the ledgers cannot be read: {reason}",))


def _with_ledgers(
    view: RunView, folder: Path, connection: LedgerConnection, lines: Sequence[dict[str, Any]]
) -> RunView:
    ledgers.prepare(connection)
    timelines = timelines_of(connection, view.report.items)
    course, missing = _course(view, connection, timelines, lines)
    try:
        kept = manifest.read_manifest(folder / manifest.FILE)
    except manifest.ManifestError as error:
        kept = manifest.Manifest("", {}, {})
        missing = (*missing, str(error))
    rules = [("rules", kept.rules_sha256)] if kept.rules_sha256 else []
    return replace(
        view,
        course=course,
        timelines=timelines,
        missing=missing,
        sources=(*kept.sources.items(), *rules),
        files=tuple(
            (name, int(table["rows"]), str(table["sha256"]))
            for name, table in sorted(kept.tables.items())
        ),
        absent=tuple(ledgers.absences(connection).items()),
    )


def _course(
    view: RunView,
    connection: LedgerConnection,
    timelines: OffenderTimelines,
    lines: Sequence[dict[str, Any]],
) -> tuple[Course | None, tuple[str, ...]]:
    """The course over the run's own time, or over all orders where it judged them all.

    Returns:
        The course, None without an order; and what stands in no figure.
    """
    own = _own_time(view)
    extent = ledgers.extent(connection, *(own or (None, None)))
    if own is None or not extent.orders:
        own = None
        every = ledgers.extent(connection, None, None).orders
        extent = ledgers.extent(connection, *ledgers.time_of_all(connection))
        left_out = every - extent.orders
        missing = (_LEFT_OUT.format(left_out),) if left_out else ()
    else:
        missing = ()
    if extent.first_at is None or extent.last_at is None:
        return None, (*missing, "no order has a time that could be shown")
    is_alone = own is not None and view.run is not None and view.run.kind != "demo"
    known = _distinct([*lines, *([] if is_alone else _recorded_lines(connection))])
    marks = marks_of(known)
    acting = [mark.at for mark in marks if mark.kind is not MarkKind.STEP]
    within = [at for at in acting if own is not None and own[0] <= at <= own[1]]
    window = window_of(min([extent.first_at, *within]), max([extent.last_at, *within]))
    shown, marks_left_out = shown_marks(marks, window)
    course = replace(
        ledgers.course_of(connection, window, timelines.offenders),
        marks=shown,
        marks_left_out=marks_left_out,
        spans=_within(spans_of(known), window.began_at, window.ended_at),
    )
    return course, missing


_LEFT_OUT: Final = (
    f"{{}} orders are of a time before the last {ledgers.DAYS_MAX} days, or ahead of the clock,"
    " and stand in no figure"
)


def _own_time(view: RunView) -> tuple[datetime, datetime] | None:
    """From when to when the run itself placed orders; None where it did not."""
    run = view.run
    if run is None or run.began_at is None or run.kind in _OF_THE_WHOLE or not view.marks:
        return None
    return run.began_at, max(mark.at for mark in view.marks)


def _recorded_lines(connection: LedgerConnection) -> list[dict[str, Any]]:
    """Lines of every run's journal about faults, as the ledgers keep them."""
    found = []
    for (detail,) in connection.execute("SELECT detail FROM faults WHERE detail IS NOT NULL"
                                        " ORDER BY happened_at").fetchall():  # fmt: skip
        try:
            line = json.loads(detail)
        except ValueError:
            continue
        if isinstance(line, dict):
            found.append(line)
    return found


def _distinct(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """In time, each line once: a run's own journal is among the ledgers' faults, too."""
    seen = {str(sorted(line.items(), key=lambda entry: entry[0])): line for line in lines}
    dated = [(at, line) for line in seen.values() if (at := time_of(line.get("at"))) is not None]
    return [line for _, line in sorted(dated, key=lambda entry: entry[0])]


def _within(spans: Sequence[Span], since: datetime, until: datetime) -> tuple[Span, ...]:
    return tuple(
        Span(max(span.began_at, since), min(span.ended_at, until), span.words)
        for span in spans
        if span.began_at <= until and span.ended_at >= since
    )
