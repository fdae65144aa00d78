"""webhooks-lost: nothing that Stripe tells by webhook arrives, for as long as the drill lasts.

Question: does the reconciler come to the same end as webhooks would have? Expected: yes; charges
whose answer was lost as well are asked for, and a PaymentIntent that Stripe closes later is looked
at again after the window that a webhook has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.own_orders import own_orders
from bookpayctl.drills.observing.spell import SPELL_SECONDS, Spell
from bookpayctl.drills.observing.struck_charges import (
    charged_item,
    ended,
    ended_item,
    never_wrong_item,
    wait_for_struck,
    waited_item,
)
from bookpayctl.faults.stripe import StripeFault, of_charges, why_stripe_cannot_err
from bookpayctl.load.plan import PAYMENT_METHOD_OF_KIND, OrderKind
from bookpayctl.report.verdict import Item
from runtime.domain.names import OrderStatus, PaymentState

ANSWERS_LOST, PROCESSING = "answers-lost", "processing"

# Every charge: an answer that arrived would need no webhook.
LOST: Final = of_charges("execute_then_cut")
DROPPED: Final = {"action": "webhook_drop"}


class WebhooksLostScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        parts, prefix = (context.target, context.run), context.slug
        self.dropped = StripeFault(*parts, prefix=prefix, definition=DROPPED, proof="dropped")
        self.lost = StripeFault(*parts, prefix=prefix, definition=LOST, proof="answers-lost")
        self.late = context.request.point == PROCESSING
        if self.late:
            self.mix = {OrderKind.OK: 1, OrderKind.SLOW: 1}
        self.spell = Spell()

    @property
    def faults(self) -> Sequence[StripeFault]:
        return (self.dropped,) if self.late else (self.dropped, self.lost)

    def inject(self) -> None:
        super().inject()
        self.spell.begin()

    def observe(self) -> list[Item]:
        """What became of the orders that no webhook told of; until then none is told of any."""
        context, bound = self.context, self._bound_seconds()
        self.spell.let_pass()
        self.lost.end()
        window = self.spell.window()
        keys = self._struck_keys()
        context.observe(f"{len(keys)} payments wait for the reconciler, {bound:.0f} s at most")
        waited = wait_for_struck(context, keys, ended(OrderStatus.PAID), seconds_max=bound)
        self.dropped.end()
        struck = waited.value
        came_by = PaymentState.PROCESSING if self.late else PaymentState.UNKNOWN
        return [
            *answers_during(context, window, refusing=False),
            ended_item(context, struck, waited.seconds, OrderStatus.PAID, seconds_max=bound),
            waited_item(context, struck, came_by),
            never_wrong_item(context, struck),
            charged_item(context, struck, 1),
        ]

    def _struck_keys(self) -> set[str]:
        """Payments whose end can be known from Stripe alone."""
        if not self.late:
            return {str(hit["idempotency_key"]) for hit in self.lost.hits()}
        method = PAYMENT_METHOD_OF_KIND[OrderKind.SLOW]
        return {
            one.event_id
            for one in own_orders(self.context)
            if one.taken_in and one.payment_method == method
        }

    def _bound_seconds(self) -> float:
        """One period of the reconciler, where it waits for webhooks first, and the deadline."""
        window = self.context.environment.webhook_window_seconds if self.late else 0.0
        return self.context.deadline_seconds + window


DRILL: Final = Drill(
    slug="webhooks-lost",
    question="no webhook of Stripe's arrives: does every payment come to the same end by the"
    " reconciler alone?",
    expected="each is asked for at Stripe and paid, none was called failed, one charge each",
    blast_radius="every webhook of the drill's time, which Stripe never sends again",
    points={
        ANSWERS_LOST: f"and for {SPELL_SECONDS:.0f} s no charge is answered either",
        PROCESSING: "and every second order pays by a method that Stripe closes later; takes the"
        " webhook window",
    },
    scenario=WebhooksLostScenario,
    why_not=why_stripe_cannot_err,
)
