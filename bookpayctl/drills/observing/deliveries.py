"""What our receiver answered to Stripe's webhooks meanwhile, by the twin's record of deliveries."""

from __future__ import annotations

from collections import Counter
from typing import Final

from bookpayctl.drill.scenario import DrillContext
from bookpayctl.drills.observing.real_webhooks import attempts, within
from bookpayctl.faults.process import TimeAway
from bookpayctl.report.verdict import Item

_RIGHT: Final = frozenset({200, 503, None})
"""Taken in, refused for now, or no answer at all: Stripe sends the last two again."""


def webhooks_refused_for_now(context: DrillContext, window: TimeAway) -> Item:
    """Whether webhooks were refused with 503 while they could not be stored.

    That none was thanked for and not kept is asked by the audit (I37), of all that there are.
    """
    title = "webhooks were refused for now"
    required = "each delivery of the time answered 200 or 503, some of them 503"
    if context.environment.stripe_control_url is None:
        reason = "only the twin shows what was delivered"
        return context.unanswered("webhooks-refused", title, required, reason)
    rows = within(attempts(context), window)
    answers = Counter(row["status"] for row in rows)
    bad = [row for row in rows if row["status"] not in _RIGHT]
    told = ", ".join(f"{count} x {status or 'no answer'}" for status, count in answers.items())
    return context.judged(
        "webhooks-refused",
        title,
        required,
        told or "none was delivered",
        good=not bad,
        examined=answers[503],
        evidence=[f"{row['event_id']}: {row['status']}" for row in bad[:5]],
        fix="bookpayctl logs payments-webhook-receiver",
    )
