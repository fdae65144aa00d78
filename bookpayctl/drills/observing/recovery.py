"""How long it took until orders were accepted again, as their clients saw it.

`recovery` is pure; the item reads the history of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.orders_api import Outcome
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.load.history import TimedCall, calls_between
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until

ENOUGH: Final = 5
"""Orders in a row by which they are accepted again: one may have been lucky."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What clients saw since a fault.

    Attributes:
        seconds: from the fault until the last answer that was no acceptance; 0 without any.
        turned_away: how many calls were not accepted.
        accepted_after: how many were, of those sent after the last one that was not.
    """

    seconds: float
    turned_away: int
    accepted_after: int


def recovery(calls: Sequence[TimedCall], began_at: float) -> Recovery:
    """Of the calls that were sent since the fault, wall-clock seconds."""
    bad = [call for call in calls if call.outcome is not Outcome.OK]
    last_bad_sent = max((call.sent_at for call in bad), default=began_at)
    over = max((call.sent_at + call.seconds for call in bad), default=began_at)
    after = [call for call in calls if call.outcome is Outcome.OK and call.sent_at >= last_bad_sent]
    return Recovery(max(0.0, over - began_at), len(bad), len(after))


def accepted_again(context: DrillContext, began_at: float, *, seconds_max: float) -> Item:
    """The item about the orders of this run that were sent since the fault.

    The load goes on meanwhile: what is asked for is waited for.

    Args:
        seconds_max: how long after the fault an order may still be turned away.
    """
    title = "orders were accepted again"
    required = f"the last order turned away within {seconds_max:.0f} s of the fault"

    def calls() -> list[TimedCall]:
        with context.run.history_path.open(encoding="utf-8") as lines:
            return calls_between(lines, began_at, float("inf"))

    found = wait_until(
        calls,
        lambda now: recovery(now, began_at).accepted_after >= ENOUGH,
        deadline_seconds=seconds_max,
    ).value
    seen = recovery(found, began_at)
    if seen.accepted_after == 0:
        reason = f"none of {len(found)} orders was accepted afterwards; make --duration longer"
        return context.unanswered("accepted-again", title, required, reason)
    return context.judged(
        "accepted-again",
        title,
        required,
        f"{seen.seconds:.1f} s after the fault; {seen.turned_away} of {len(found)} turned away,"
        f" {seen.accepted_after} accepted since",
        good=seen.seconds <= seconds_max,
        examined=len(found),
        fix="bookpayctl logs orders-service",
    )
