"""webhooks-out-of-order: what Stripe tells comes in another order than it happened.

Question: does late news undo what is known, and is any of it dropped? Expected: no payment goes
back from an end, none tells two, and every webhook is processed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.heard_webhooks import (
    all_processed_item,
    database_now,
    no_regress_item,
    out_of_order_item,
)
from bookpayctl.drills.observing.own_orders import cancel, own_orders, paid_orders
from bookpayctl.drills.observing.spell import SPELL_SECONDS, Spell
from bookpayctl.drills.observing.struck_charges import (
    all_closed,
    closed_item,
    read_struck,
    wait_for_struck,
)
from bookpayctl.faults.stripe import StripeFault, webhooks_held, why_stripe_cannot_err
from bookpayctl.load.plan import OrderKind
from bookpayctl.report.verdict import Item

SHUFFLED, REFUND_FIRST = "shuffled", "refund-first"

# Longer than a cancellation, its refund and the news of that take.
SUCCESS_LATE_SECONDS: Final = 12

CANCELLED: Final = 5

_SHARES: Final = ((1, 0.4), (3, 0.5), (7, 0.5))
"""Seconds late, and the share of what is left that is: a third comes at once."""


def delays(point: str) -> list[dict[str, Any]]:
    """The definitions of the twin's faults; the first that strikes an event delays it."""
    if point == REFUND_FIRST:
        return [webhooks_held(SUCCESS_LATE_SECONDS, of="payment_intent.succeeded")]
    return [
        {**webhooks_held(seconds, of="*"), "probability": share, "seed": seconds}
        for seconds, share in _SHARES
    ]


class WebhooksOutOfOrderScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        parts, point = (context.target, context.run), context.request.point
        self._faults = [
            StripeFault(*parts, prefix=context.slug, definition=delay, proof=f"delayed-{number}")
            for number, delay in enumerate(delays(point), start=1)
        ]
        if point == SHUFFLED:
            self.mix = {OrderKind.OK: 6, OrderKind.SLOW: 2, OrderKind.DECLINED: 2}
        self.spell = Spell()
        self._since: datetime | None = None

    @property
    def faults(self) -> Sequence[StripeFault]:
        return self._faults

    def inject(self) -> None:
        self._since = database_now(self.context)
        super().inject()
        self.spell.begin()
        # Money that goes back has news of its own, which may come before that of its charge.
        cancel(self.context, paid_orders(self.context, CANCELLED))

    def observe(self) -> list[Item]:
        """What came of the orders, once everything that was late has come."""
        context = self.context
        if self._since is None:
            raise LookupError("nothing was delayed")
        self.spell.let_pass()
        for fault in self._faults:
            fault.end()
        window = self.spell.window()
        keys = {one.event_id for one in own_orders(context) if one.taken_in}
        waited = wait_for_struck(context, keys, all_closed)
        # What was struck last comes this long after the end of the fault.
        longest = max(fault.definition["numbers"]["seconds"] for fault in self._faults)
        threading.Event().wait(max(0.0, window.ended_at + longest - time.time()))
        processed = all_processed_item(context, self._since)
        # Read again: what was late may have come after the end.
        charges = read_struck(context.environment, keys)
        return [
            *answers_during(context, window, refusing=False),
            closed_item(context, charges, waited.seconds),
            processed,
            out_of_order_item(context),
            no_regress_item(context, charges),
        ]


DRILL: Final = Drill(
    slug="webhooks-out-of-order",
    question="webhooks come in another order than things happened: does late news undo what is"
    " known, or is any dropped?",
    expected="each is processed, no payment goes back from its end, at most one outcome each",
    blast_radius=f"webhooks of {SPELL_SECONDS:.0f} s, late by up to {SUCCESS_LATE_SECONDS} s;"
    f" {CANCELLED} paid orders of the drill's own are cancelled",
    points={
        SHUFFLED: "every event late by a time of its own, of cards, debits, declines and refunds",
        REFUND_FIRST: "a refund's news before that of its charge's success",
    },
    scenario=WebhooksOutOfOrderScenario,
    why_not=why_stripe_cannot_err,
)
