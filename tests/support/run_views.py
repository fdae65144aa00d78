"""A page's view with something of everything, in which every text is of the test's choice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.run_report.course import Course, OrderLatency, window_of
from bookpayctl.run_report.timelines import LedgerEntry, OffenderTimeline, OffenderTimelines
from bookpayctl.run_report.view import RunView
from bookpayctl.runs.listing import ListedRun, RunState
from bookpayctl.runs.marks import JournalMark, MarkKind, Span
from tests.support.sample_reports import report_of

BEGAN_AT: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(second: float) -> datetime:
    return BEGAN_AT + timedelta(seconds=second)


def view_with(text: str) -> RunView:
    """One of everything that a system, a journal or a ledger can say, saying `text`."""
    report = report_of("holds", "unknown", "violated")
    item = Item(text, text, Verdict.VIOLATED, text, text, 3, (text,), fix=text, reason=text)
    return RunView(
        report=replace(
            report,
            kind=text,
            items=(*report.items, item),
            context={"environment": text, "refused": text},
            reports_lost=(text,),
            started_at=text,
        ),
        run=ListedRun(
            text, Path("/runs") / "1", RunState.ENDED, kind=text, pending=(text,), why=text
        ),
        course=course_with(text),
        timelines=OffenderTimelines(
            (
                OffenderTimeline(
                    text,
                    (text,),
                    (
                        LedgerEntry(at(1), "PostgreSQL", text, text),
                        LedgerEntry(at(1.5), "Kafka", text, text),
                        LedgerEntry(None, "Stripe", text, text),
                    ),
                    left_out=2,
                ),
            ),
            (text, "another"),
        ),
        missing=(text,),
        sources=((text, text),),
        files=((text, 12, text),),
        absent=((text, text),),
    )


def course_with(text: str) -> Course:
    """Ten seconds in which a fault lasted from the second to the fifth."""
    window = window_of(at(0), at(10))
    counts = tuple(range(window.bins))
    none = (0,) * window.bins
    latency = OrderLatency(0.1, 0.5, 0.9)
    return Course(
        window=window,
        placed={"paid": counts, "refunded": none, "cancelled": none, "pending": none, text: counts},
        offenders=(1, *none[1:]),
        latencies=(latency, None, latency, latency, *(None,) * (window.bins - 4)),
        open_orders=counts,
        unpublished=counts,
        marks=(
            JournalMark(at(2), MarkKind.FAULT, text, text, text),
            JournalMark(at(5), MarkKind.RECOVERY, text, text, text),
        ),
        spans=(Span(at(2), at(5), text),),
        marks_left_out=7,
    )
