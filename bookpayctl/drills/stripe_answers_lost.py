"""stripe-answers-lost: Stripe takes the money and its answer never arrives.

Question: is anybody told that a payment failed, or charged again, because an answer was lost?
Expected: no; each such payment is unknown, its key is sent again or Stripe is asked, and it is
paid.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill
from bookpayctl.drills.observing.spell import SPELL_SECONDS
from bookpayctl.drills.observing.spoilt_charges import Spoilt, SpoiltCharges
from bookpayctl.faults.stripe import of_charges, why_stripe_cannot_err

# Longer than anybody waits for an answer: the caller gives up first, as with a network that drops.
SILENCE_SECONDS: Final = 60.0

WAYS: Final = {
    point: Spoilt(
        f"{words} charges are executed, and nobody hears of it",
        of_charges("execute_then_timeout", share=share, seconds=SILENCE_SECONDS),
    )
    for point, words, share in (
        ("tenth", "one in ten", 0.1),
        ("hundredth", "one in a hundred", 0.01),
        ("all", "all", 1.0),
    )
}


class StripeAnswersLostScenario(SpoiltCharges):
    ways = WAYS


DRILL: Final = Drill(
    slug="stripe-answers-lost",
    question="Stripe charges and its answer never arrives: is anybody charged again, or told that"
    " the payment failed before somebody knows?",
    expected="each is unknown until Stripe is asked; one charge under one key, and it is paid",
    blast_radius=f"the charges of {SPELL_SECONDS:.0f} s, which come late; webhooks late",
    points={point: way.words for point, way in WAYS.items()},
    scenario=StripeAnswersLostScenario,
    why_not=why_stripe_cannot_err,
)
