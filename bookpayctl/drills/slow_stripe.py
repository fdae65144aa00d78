"""slow-stripe: what Stripe answers comes late, in drops, in pieces, or breaks off in the middle.

Expected: whoever gives up on an answer asks again under the same key, nobody is charged twice and
nothing is called failed; orders are accepted all the while, and all drains afterwards.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext
from bookpayctl.drill.sick_link import SickLinkScenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.keys import one_key_each
from bookpayctl.faults.stripe import StripeFault, slow_charges, webhooks_held
from bookpayctl.report.verdict import Item
from bookpayctl.targets.link import Link
from bookpayctl.targets.platforms import LOCAL
from bookpayctl.targets.toxic import Direction, Toxic, Toxicity
from runtime.domain.names import Service

SICK_SECONDS: Final = 16.0

# Webhooks go another way than answers and would settle the payments meanwhile.
WEBHOOK_DELAY_SECONDS: Final = 20

GATEWAY_TO_STRIPE: Final = Link("gateway-to-stripe", (Service.GATEWAY.value,), "stripe-twin")

LATE, UNEVEN, SOME = "late", "uneven", "some-late"
NARROW, SLICED, CUT_OFF = "narrow", "sliced", "cut-off"

_ANSWERS: Final = Direction.TO_CALLER

TOXICS: Final = {
    # Longer than a try may take (8 s here): each answer comes when nobody waits for it any more.
    LATE: Toxic(Toxicity.LATENCY, SICK_SECONDS, _ANSWERS, delay_ms=9_000),
    # Answers of different connections overtake each other, and none is given up.
    UNEVEN: Toxic(Toxicity.LATENCY, SICK_SECONDS, _ANSWERS, delay_ms=1_000, jitter_ms=700),
    SOME: Toxic(Toxicity.LATENCY, SICK_SECONDS, _ANSWERS, share=0.7, delay_ms=9_000),
    NARROW: Toxic(Toxicity.BANDWIDTH, SICK_SECONDS, bytes_per_second=1_000),
    # An answer of two kilobytes would take a minute, and never be silent for long.
    SLICED: Toxic(Toxicity.SLICER, SICK_SECONDS, _ANSWERS, slice_bytes=1, delay_ms=30),
    # Within the first line or two of an answer: Stripe has done it and nobody hears what.
    CUT_OFF: Toxic(Toxicity.RESET, SICK_SECONDS, _ANSWERS, after_bytes=40),
}

# Slow, but within every time-out: nobody has to ask again.
PATIENT: Final = frozenset({UNEVEN, NARROW})

# So that several connections are in use when a share of them is struck: few orders need one.
TOGETHER_SECONDS: Final = 0.3


class SlowStripeScenario(SickLinkScenario):
    def __init__(self, context: DrillContext) -> None:
        point = context.request.point
        toxic = replace(TOXICS[point], seed=context.request.seed)
        super().__init__(context, GATEWAY_TO_STRIPE, toxic)
        if context.environment.stripe_control_url is not None:
            aids = [webhooks_held(WEBHOOK_DELAY_SECONDS)]
            if point == SOME:
                aids.append(slow_charges(TOGETHER_SECONDS))
            parts = context.target, context.run
            self.aids = [StripeFault(*parts, prefix=context.slug, definition=each) for each in aids]

    def observe(self) -> list[Item]:
        """What clients saw of it, then what Stripe did."""
        sent_again = self.context.request.point not in PATIENT
        return [
            *answers_during(self.context, self.sick.window, refusing=False),
            *one_key_each(self.context, sent_again=sent_again),
        ]


DRILL: Final = Drill(
    slug="slow-stripe",
    question="Stripe takes the money and its answer comes too late, in drops, in pieces or not to"
    " its end: is anybody charged twice, or told that it failed?",
    expected="the same key is sent again, one charge each, orders accepted meanwhile, all drains",
    blast_radius=f"the gateway's calls to Stripe for {SICK_SECONDS:.0f} s; the gateway is restarted"
    f" before and after; webhooks late by {WEBHOOK_DELAY_SECONDS} s while it lasts",
    points={
        LATE: "every answer comes 9 s late, when nobody waits any more",
        UNEVEN: "every answer comes 0.3 to 1.7 s late, one overtaking the other",
        SOME: "on seven of ten connections every answer comes 9 s late; the seed decides which",
        NARROW: "1,000 bytes a second each way on each connection",
        SLICED: "answers come one byte at a time, 30 ms apart",
        CUT_OFF: "connections are reset when 40 bytes of an answer have come",
    },
    scenario=SlowStripeScenario,
    platforms=(LOCAL,),
)
