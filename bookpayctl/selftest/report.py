"""What all controls of one kind of question come to."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import closing
from datetime import UTC, datetime

from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item
from bookpayctl.runs.interrupts import Stopped, interruptible
from bookpayctl.session import code_of_signal


def selftest_report(asked: str, *parts: Iterable[Item]) -> Report:
    """Take the answers as they come; a signal ends the asking, and what was answered stays.

    Args:
        asked: whose questions they are, e.g. `check`.
        parts: answers, one part after another; a generator is closed where it is.
    """
    began_at, began = datetime.now(UTC), time.monotonic()
    answered: list[Item] = []
    incidents = []
    try:
        # Closed within the block, so that a stack that is up for an answer goes down with it.
        with interruptible(), closing(_all(parts)) as items:
            answered.extend(items)
    except Stopped as stopped:
        incidents.append(code_of_signal(stopped.number))
    return Report(
        kind="SelftestReport",
        context={"asked": asked, "controls": str(len(answered))},
        items=tuple(answered),
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - began,
        each_must_answer=True,
        incidents=tuple(incidents),
    )


def _all(parts: Iterable[Iterable[Item]]) -> Generator[Item]:
    for part in parts:
        yield from part
