"""refund-answers-lost: Stripe gives the money back and its answer never arrives.

Question: is a customer refunded twice, or not at all, because an answer was lost? Expected: the
same key is sent again, or Stripe is asked what went back; each is refunded once.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.own_orders import cancel, paid_orders
from bookpayctl.drills.observing.spell import Spell
from bookpayctl.drills.observing.spoilt_charges import WEBHOOK_DELAY_SECONDS
from bookpayctl.drills.observing.struck_refunds import (
    foreign_refund_keys,
    read_refunds,
    refund_items,
)
from bookpayctl.faults.stripe import StripeFault, of_refunds, webhooks_held, why_stripe_cannot_err
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import PaymentState

# Few enough that they are paid while the load still runs.
CANCELLED: Final = 6

CUT, SAVED = "cut", "saved-500"

DEFINITIONS: Final = {CUT: of_refunds("execute_then_cut"), SAVED: of_refunds("execute_then_500")}


class RefundAnswersLostScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        parts, seconds = (context.target, context.run), WEBHOOK_DELAY_SECONDS
        definition = DEFINITIONS[context.request.point]
        self.fault = StripeFault(*parts, prefix=context.slug, definition=definition)
        # News that would end a refund before anybody has to find out what became of it.
        self.aids = tuple(
            StripeFault(*parts, prefix=context.slug, definition=webhooks_held(seconds, of=kind))
            for kind in ("refund.*", "charge.refund*")
        )
        self._orders: list[str] = []
        self.spell = Spell()

    @property
    def faults(self) -> tuple[StripeFault]:
        return (self.fault,)

    def inject(self) -> None:
        """Once there are orders to cancel: what strikes before them strikes nothing."""
        self._orders = paid_orders(self.context, CANCELLED)
        super().inject()
        self.spell.begin()
        cancel(self.context, self._orders)

    def observe(self) -> list[Item]:
        """What clients saw of it, and what became of the refunds."""
        environment = self.context.environment
        self.spell.let_pass()
        self.fault.end()
        window = self.spell.window()
        waited = wait_until(
            lambda: read_refunds(environment, self._orders),
            lambda found: all(one.state == PaymentState.REFUNDED for one in found),
            deadline_seconds=self.context.deadline_seconds,
            every_seconds=0.5,
        )
        foreign = foreign_refund_keys(environment)
        return [
            *answers_during(self.context, window, refusing=False),
            *refund_items(self.context, waited.value, foreign, waited.seconds),
        ]


DRILL: Final = Drill(
    slug="refund-answers-lost",
    question="Stripe gives money back and its answer never arrives: is anybody refunded twice, or"
    " never?",
    expected="the same key again, or Stripe is asked; each is refunded once",
    blast_radius=f"{CANCELLED} paid orders of the drill's own are cancelled, and their refunds come"
    " late",
    points={
        CUT: "the connection is reset after every refund",
        SAVED: "a 500 after every refund, replayed for its key for ever",
    },
    scenario=RefundAnswersLostScenario,
    why_not=why_stripe_cannot_err,
)
