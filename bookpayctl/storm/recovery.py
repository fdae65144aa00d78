"""How long a storm's faults were felt after each was over, as customers felt it. Pure.

A fault has been recovered from when every order that was open as it ended has come to its end, and
an order placed since has, too. Faults overlap: what a later one prolongs counts against the earlier
ones as well, so these figures are never better than those of the faults alone.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bookpayctl.storm.kinds import KINDS, StormProfile

BOUND_SECONDS: Final[Mapping[StormProfile, float]] = {
    StormProfile.PROCESSES: 30.0,
    StormProfile.SERVERS: 60.0,
    # Docs promise that what Stripe has left unknown is known two minutes after the fault's end.
    StormProfile.STRIPE: 120.0,
}
"""Class -> within how long 99 of 100 of its faults are recovered from; the later the graver."""

_RANK: Final = {profile: rank for rank, profile in enumerate(BOUND_SECONDS)}


@dataclass(frozen=True, slots=True)
class FaultSpan:
    """One fault that has struck, in wall-clock seconds.

    Attributes:
        over_at: from when on nothing of it was in the way of a recovery: the moment of a death,
            which a parent answers by itself, and the end of all else.
    """

    number: int
    kind: str
    began_at: float
    over_at: float


@dataclass(frozen=True, slots=True)
class OrderSpan:
    """One order, in wall-clock seconds; `ended_at` infinite where it never came to an end."""

    order_id: str
    placed_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Recovered:
    """One fault, and how long it was felt.

    Attributes:
        profile: the gravest class of what touched the order that was waited for longest: an order
            whose answer Stripe kept to itself says nothing of how fast processes come again.
        seconds: infinite where an order never came to its end.
        order_id: the one that was waited for longest.
    """

    fault: FaultSpan
    profile: StormProfile
    seconds: float
    order_id: str


def recoveries(faults: Sequence[FaultSpan], orders: Iterable[OrderSpan]) -> list[Recovered]:
    """One for each fault that an order was there to feel; the others say nothing."""
    by_placed = sorted(orders, key=lambda order: order.placed_at)
    placed = [order.placed_at for order in by_placed]
    found = []
    for fault in faults:
        before = bisect_right(placed, fault.over_at)
        waited = [order for order in by_placed[:before] if order.ended_at > fault.over_at]
        since = by_placed[bisect_left(placed, fault.over_at, lo=before) :]
        first = min(since, key=lambda order: order.ended_at, default=None)
        last = max((*waited, *([first] if first else [])), key=_ended_at, default=None)
        if last is not None:
            seconds = last.ended_at - fault.over_at
            profile = _gravest(fault, last, faults)
            found.append(Recovered(fault, profile, seconds, last.order_id))
    return found


def within(seconds: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: so many of them took no longer; NaN of none."""
    ranked = sorted(seconds)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def _gravest(fault: FaultSpan, order: OrderSpan, faults: Sequence[FaultSpan]) -> StormProfile:
    touched = [
        other
        for other in faults
        if other.began_at <= order.ended_at and other.over_at >= order.placed_at
    ]
    return max((KINDS[one.kind].profile for one in (fault, *touched)), key=_RANK.__getitem__)


def _ended_at(order: OrderSpan) -> float:
    return order.ended_at
