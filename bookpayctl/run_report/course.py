"""The course of a run: orders, how long they took and what lay waiting, over its time, in bins.

Values and their arithmetic, pure; `ledgers` fills them by SQL. However many orders there were, a
course has BINS_MAX bins at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

from bookpayctl.runs.marks import JournalMark, MarkKind, Span

BINS_MAX: Final = 96
"""As many bars as are told apart on a screen of 1,000 pixels."""

BIN_SECONDS_MIN: Final = 0.25

AFTERWARDS: Final = 0.02

MARKS_MAX: Final = 60
"""A storm of kills has hundreds; the first ones and the number of the others are shown."""

STATUSES: Final = ("paid", "refunded", "cancelled", "pending")


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when, UTC, and how it is cut into bins of one length."""

    began_at: datetime
    ended_at: datetime
    bins: int

    @property
    def seconds(self) -> float:
        return (self.ended_at - self.began_at).total_seconds()

    @property
    def bin_seconds(self) -> float:
        return self.seconds / self.bins

    def offset(self, at: datetime) -> float:
        """Seconds since the beginning; negative before it."""
        return (at - self.began_at).total_seconds()


@dataclass(frozen=True, slots=True)
class OrderLatency:
    """Seconds from an order to its end (paid or cancelled), of orders placed in one bin."""

    median: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class Course:
    """What happened over the window.

    Attributes:
        placed: for each status, orders placed in each bin.
        offenders: orders of each bin that an answer names as wrong.
        latencies: of each bin; None where no order of it came to an end.
        open_orders: at the end of each bin, orders without an end.
        unpublished: at the end of each bin, events not published yet; None where nobody marks them.
        marks: what was done on purpose and what put it back, oldest first.
        marks_left_out: how many more there were.
    """

    window: Window
    placed: dict[str, tuple[int, ...]]
    offenders: tuple[int, ...]
    latencies: tuple[OrderLatency | None, ...]
    open_orders: tuple[int, ...]
    unpublished: tuple[int, ...] | None
    marks: tuple[JournalMark, ...] = ()
    spans: tuple[Span, ...] = ()
    marks_left_out: int = 0

    @property
    def orders(self) -> int:
        return sum(sum(counts) for counts in self.placed.values())


def window_of(began_at: datetime, ended_at: datetime) -> Window:
    """A window of at least a second, cut into as many bins as can be told apart.

    It ends a little after the last thing that happened, so that the end of that is seen, too.
    """
    seconds = max(1.0, (ended_at - began_at).total_seconds() * (1 + AFTERWARDS))
    ended_at = began_at + timedelta(seconds=seconds)
    return Window(began_at, ended_at, max(1, min(BINS_MAX, math.ceil(seconds / BIN_SECONDS_MIN))))


def levels(at_the_beginning: int, came: Sequence[int], went: Sequence[int]) -> tuple[int, ...]:
    """How many were there at the end of each bin."""
    changes = [more - less for more, less in zip(came, went, strict=True)]
    return tuple(accumulate(changes, initial=at_the_beginning))[1:]


def shown_marks(
    marks: Iterable[JournalMark], window: Window
) -> tuple[tuple[JournalMark, ...], int]:
    """Those that did something to the system within the window, and how many are left out."""
    acting = sorted(
        (
            mark
            for mark in marks
            if mark.kind is not MarkKind.STEP and 0 <= window.offset(mark.at) <= window.seconds
        ),
        key=lambda mark: mark.at,
    )
    return tuple(acting[:MARKS_MAX]), max(0, len(acting) - MARKS_MAX)
