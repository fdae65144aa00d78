"""One order in time order, from all three ledgers.

Pure: events come in as values and go out sorted, each with the gap since the one before.
Times are the owner's: the database's for rows, the broker's for records, Stripe's for requests; on
one machine they are one clock, elsewhere a small negative gap means that two clocks differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One thing that happened to the order.

    Attributes:
        ledger: who says so: http, postgres, kafka, stripe.
        what: the step, in the words of the protocol.
        detail: ids, keys, offsets.
    """

    at: datetime
    ledger: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """An event in its place; the first has no gap."""

    event: TimelineEvent
    gap_ms: float | None
    since_start_ms: float


def timeline(events: Iterable[TimelineEvent]) -> list[TimelineEntry]:
    """Sort by time, keeping the given order where times are equal."""
    ordered = sorted(events, key=lambda event: event.at)
    entries: list[TimelineEntry] = []
    for position, event in enumerate(ordered):
        gap = None if position == 0 else _milliseconds(ordered[position - 1].at, event.at)
        entries.append(TimelineEntry(event, gap, _milliseconds(ordered[0].at, event.at)))
    return entries


def _milliseconds(earlier: datetime, later: datetime) -> float:
    return round((later - earlier).total_seconds() * 1000, 1)
