"""One order's whole story in time order, from all three ledgers.

Pure: the pieces come in as values, moments go out sorted, each with the gap since the one before.
Times are the owner's: the database's for rows, the broker's for records, Stripe's for requests; on
one machine they are one clock, elsewhere a small negative gap is a clock and not a miracle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
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
class Told:
    """A moment in its place; the first has no gap."""

    moment: Moment
    gap_ms: float | None
    since_start_ms: float


def tell(moments: Iterable[Moment]) -> list[Told]:
    """Sort by time, keeping the given order where times are equal."""
    ordered = sorted(moments, key=lambda moment: moment.at)
    told: list[Told] = []
    for position, moment in enumerate(ordered):
        gap = None if position == 0 else _milliseconds(ordered[position - 1].at, moment.at)
        told.append(Told(moment, gap, _milliseconds(ordered[0].at, moment.at)))
    return told


def _milliseconds(earlier: datetime, later: datetime) -> float:
    return round((later - earlier).total_seconds() * 1000, 1)
