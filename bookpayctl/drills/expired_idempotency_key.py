"""expired-idempotency-key: a day passes over charges whose end nobody knows.

Stripe may prune a key after 24 hours, and would then execute it anew. Question: is a charge that
stayed unknown for so long sent again? Expected: no; Stripe is asked what it holds, and what it
holds is believed. The workers are away while the day passes, as a day is not over at one moment
for those who are just sending.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

from bookpayctl.clients.stripe_twin import TwinControl
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.spell import SPELL_SECONDS
from bookpayctl.drills.observing.struck_charges import (
    StruckCharge,
    charged_item,
    ended,
    ended_item,
    never_wrong_item,
    wait_for_struck,
    waited_item,
)
from bookpayctl.faults.clock import ClockAdvanced
from bookpayctl.faults.fault import Fault
from bookpayctl.faults.process import ProcessAway
from bookpayctl.faults.stripe import StripeFault, of_charges, why_stripe_cannot_err
from bookpayctl.report.verdict import Item
from runtime.domain.names import OrderStatus, PaymentState, Service

# From when on Stripe may have forgotten a key.
DAY_SECONDS: Final = 24 * 3600 + 1

# Both must be in place when the day has passed; what they hold back is the question.
AWAY_SECONDS: Final = 1.0

MUTE: Final = {
    "action": "reject",
    "match": {"method": "GET", "path": "/v1/payment_intents*"},
    "numbers": {"status": 503},
}


class ExpiredIdempotencyKeyScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        parts, prefix = (context.target, context.run), context.slug
        self.dropped = StripeFault(
            *parts, prefix=prefix, definition={"action": "webhook_drop"}, proof="webhooks-dropped"
        )
        self.mute = StripeFault(*parts, prefix=prefix, definition=MUTE, proof="questions-refused")
        lost = of_charges("execute_then_cut")
        self.lost = StripeFault(*parts, prefix=prefix, definition=lost, proof="answers-lost")
        self.clock = ClockAdvanced(*parts, prefix=prefix, seconds=DAY_SECONDS)
        self.away = ProcessAway(
            *parts,
            prefix=prefix,
            process=Service.WORKER.value,
            seconds=AWAY_SECONDS,
            meanwhile=self._let_a_day_pass,
        )
        self._last_request = 0

    @property
    def faults(self) -> Sequence[Fault]:
        return (self.dropped, self.mute, self.lost, self.clock, self.away)

    def inject(self) -> None:
        """Let charges become unknown, then a day pass while nobody sends any."""
        for fault in (self.dropped, self.mute, self.lost):
            fault.inject()
        # The length of the spell is the experiment; nothing is waited for.
        threading.Event().wait(SPELL_SECONDS)
        self.away.inject()

    def observe(self) -> list[Item]:
        """Whether any was sent again, and what became of them."""
        context = self.context
        keys = {str(hit["idempotency_key"]) for hit in self.lost.hits()}
        waited = wait_for_struck(context, keys, ended(OrderStatus.PAID))
        self.dropped.end()
        struck = waited.value
        return [
            *answers_during(context, self.away.window, refusing=False),
            ended_item(context, struck, waited.seconds, OrderStatus.PAID),
            waited_item(context, struck, PaymentState.UNKNOWN),
            never_wrong_item(context, struck),
            charged_item(context, struck, 1),
            self._never_sent_again(struck),
        ]

    def _let_a_day_pass(self) -> None:
        self.clock.inject()
        self._last_request = self._requests(0)[-1]["n"]
        self.lost.end()
        self.mute.end()

    def _never_sent_again(self, struck: Sequence[StruckCharge]) -> Item:
        keys = {one.event_id for one in struck}
        late = [
            row
            for row in self._requests(self._last_request)
            if row["method"] == "POST" and row["idempotency_key"] in keys
        ]
        return self.context.judged(
            "never-sent-again",
            "no key was sent that Stripe may have forgotten",
            "no request under any of these keys after the day had passed",
            f"{len(late)} requests under {len(keys)} keys",
            good=not late,
            examined=len(keys),
            evidence=[f"{row['request_id']}: {row['idempotency_key']}" for row in late[:5]],
            fix="bookpayctl stripe requests --event-id ID",
        )

    def _requests(self, after: int) -> list[dict[str, Any]]:
        url = self.context.environment.stripe_control_url
        if url is None:
            raise LookupError("only the twin shows its requests")
        return TwinControl(url).rows("requests", after=after)


DRILL: Final = Drill(
    slug="expired-idempotency-key",
    question="charges stay unknown for a day, and Stripe may have forgotten their keys: is any of"
    " them sent again?",
    expected="none; Stripe is asked what it holds, one charge each, and each order is paid",
    blast_radius="the clocks of the environment and of the twin stay a day ahead for good: neither"
    f" goes back; webhooks of {SPELL_SECONDS:.0f} s never come; an order that was placed in the"
    " second before the day passed may be cancelled, uncharged",
    points={"a-day": "24 h and 1 s pass while nobody can say what became of the charges"},
    scenario=ExpiredIdempotencyKeyScenario,
    why_not=why_stripe_cannot_err,
)
