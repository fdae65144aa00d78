"""Webhooks of Stripe's own while something else is sent to the receiver: answered, and how soon.

By Stripe's record of each attempt, not by ours. `refused` and `slowdown` are pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bookpayctl.clients.stripe_twin import TwinControl
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.faults.process import TimeAway
from bookpayctl.load.plan import percentile
from bookpayctl.report.verdict import Item

SECONDS_ENOUGH: Final = 0.5
"""A p99 below this is no trouble, whatever it was before: Stripe waits for twenty times as long."""

BASELINE_MIN: Final = 10


@dataclass(frozen=True, slots=True)
class Slowdown:
    """The 99th percentile of the receiver's answers, seconds; `before` None with too few."""

    before: float | None
    meanwhile: float

    @property
    def is_fine(self) -> bool:
        twice = None if self.before is None else 2 * self.before
        return self.meanwhile < SECONDS_ENOUGH or (twice is not None and self.meanwhile < twice)


def attempts(context: DrillContext) -> list[dict[str, Any]]:
    """Every attempt of the twin's to deliver a webhook, oldest first.

    Raises:
        LookupError: there is no twin.
        TwinError: it does not answer.
    """
    url = context.environment.stripe_control_url
    if url is None:
        raise LookupError("only the twin shows its attempts")
    return TwinControl(url).rows("deliveries")


def refused(rows: Sequence[Mapping[str, Any]], window: TimeAway) -> list[Mapping[str, Any]]:
    """The attempts within the window that were not received."""
    return [row for row in within(rows, window) if row["status"] != 200]


def within(rows: Sequence[Mapping[str, Any]], window: TimeAway) -> list[Mapping[str, Any]]:
    """The attempts that were made within the window."""
    return [row for row in rows if window.began_at <= row["wall_at"] <= window.ended_at]


def slowdown(rows: Sequence[Mapping[str, Any]], window: TimeAway) -> Slowdown:
    """How soon webhooks were answered within the window, and before it."""
    earlier = sorted(float(row["seconds"]) for row in rows if row["wall_at"] < window.began_at)
    during = sorted(float(row["seconds"]) for row in within(rows, window))
    before = percentile(earlier, 0.99) if len(earlier) >= BASELINE_MIN else None
    return Slowdown(before, percentile(during, 0.99) or 0.0)


def none_refused_item(
    context: DrillContext, rows: Sequence[Mapping[str, Any]], window: TimeAway
) -> Item:
    """Whether every one of Stripe's own was received at once."""
    sent, bad = within(rows, window), refused(rows, window)
    return context.judged(
        "real-webhooks-received",
        "Stripe's own webhooks were received",
        "each answered 200 at its first attempt",
        f"{len(sent) - len(bad)} of {len(sent)}",
        good=not bad,
        examined=len(sent),
        evidence=[f"{row['event_id']}: {row['outcome']} {row['status']}" for row in bad[:5]],
        fix="bookpayctl logs payments-webhook-receiver",
    )


def in_time_item(
    context: DrillContext, rows: Sequence[Mapping[str, Any]], window: TimeAway
) -> Item:
    """Whether Stripe's own were answered about as soon as before."""
    found = slowdown(rows, window)
    before = "too few before" if found.before is None else f"{found.before * 1000:.0f} ms before"
    return context.judged(
        "real-webhooks-in-time",
        "Stripe's own webhooks were answered in time",
        f"p99 below {SECONDS_ENOUGH * 1000:.0f} ms, or below twice what it was",
        f"p99 {found.meanwhile * 1000:.0f} ms, {before}",
        good=found.is_fine,
        examined=len(within(rows, window)),
    )
