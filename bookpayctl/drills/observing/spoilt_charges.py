"""A drill in which Stripe's answers to charges are wrong for a while, in one way at each point.

Webhooks are held back where a charge may have been executed: Stripe's would often settle the
payment before anybody has to find out what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bookpayctl.drill.scenario import DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.spell import Spell
from bookpayctl.drills.observing.struck_charges import (
    StruckCharge,
    charged_item,
    ended,
    ended_item,
    never_wrong_item,
    same_key_item,
    wait_for_struck,
    waited_item,
)
from bookpayctl.faults.stripe import StripeFault, webhooks_held
from bookpayctl.report.verdict import Item
from runtime.domain.names import OrderStatus, PaymentState

# Longer than a lost answer and the next two tries take, shorter than the bound.
WEBHOOK_DELAY_SECONDS: Final = 25


@dataclass(frozen=True, slots=True)
class Spoilt:
    """How Stripe answers charges at one point of a drill, and what has to come of it.

    Attributes:
        words: for a person.
        definition: of the twin's fault.
        waits_as: the state that each payment has to come by: `unknown` where money may have moved.
        status: the answer that Stripe's journal must show for one of them at least; None where
            the answer was Stripe's own and did not arrive.
        executed: whether Stripe took the money, or will on another try under the same key.
    """

    words: str
    definition: Mapping[str, Any]
    waits_as: PaymentState = PaymentState.UNKNOWN
    status: int | None = None
    executed: bool = True


class SpoiltCharges(Scenario):
    """One such spell."""

    ways: Mapping[str, Spoilt]
    """The drill's points."""

    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        parts, prefix = (context.target, context.run), context.slug
        self.spoilt = self.ways[context.request.point]
        self.fault = StripeFault(*parts, prefix=prefix, definition=self.spoilt.definition)
        held = webhooks_held(WEBHOOK_DELAY_SECONDS)
        self.aids = (StripeFault(*parts, prefix=prefix, definition=held),)
        self.spell = Spell()

    @property
    def faults(self) -> Sequence[StripeFault]:
        return (self.fault,)

    def inject(self) -> None:
        super().inject()
        self.spell.begin()

    def observe(self) -> list[Item]:
        """What clients saw of it, and what became of the payments that were struck."""
        self.spell.let_pass()
        keys = {str(hit["idempotency_key"]) for hit in self.fault.hits()}
        self.context.observe(f"{len(keys)} charges were struck; Stripe is well again")
        self.fault.end()
        window = self.spell.window()
        status = OrderStatus.PAID if self.spoilt.executed else OrderStatus.CANCELLED
        waited = wait_for_struck(self.context, keys, ended(status))
        return [
            *answers_during(self.context, window, refusing=False),
            ended_item(self.context, waited.value, waited.seconds, status),
            *self._judged(waited.value),
        ]

    def _judged(self, struck: Sequence[StruckCharge]) -> list[Item]:
        context, spoilt = self.context, self.spoilt
        return [
            *([] if spoilt.status is None else [self._answered(struck, spoilt.status)]),
            waited_item(context, struck, spoilt.waits_as),
            *([never_wrong_item(context, struck)] if spoilt.executed else []),
            charged_item(context, struck, int(spoilt.executed)),
            same_key_item(context, struck),
        ]

    def _answered(self, struck: Sequence[StruckCharge], status: int) -> Item:
        title = f"Stripe answered {status}"
        required = f"at least 1 request with {status} in Stripe's journal"
        seen = sum(post.status == status for one in struck for post in one.posts)
        if not seen:
            reason = f"no request of {len(struck)} payments was answered {status}"
            return self.context.unanswered("stripe-answered", title, required, reason)
        return self.context.judged(
            "stripe-answered", title, required, f"{seen} requests", good=True, examined=seen
        )
