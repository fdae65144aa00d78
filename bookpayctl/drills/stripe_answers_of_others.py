"""stripe-answers-of-others: what answers in Stripe's place is a proxy, or half of Stripe's answer.

Question: is a page with a status number, or JSON that breaks off, taken for Stripe's word?
Expected: no; each such payment is unknown until Stripe itself has said what it holds, and then it
is paid.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill
from bookpayctl.drills.observing.spell import SPELL_SECONDS
from bookpayctl.drills.observing.spoilt_charges import Spoilt, SpoiltCharges
from bookpayctl.faults.stripe import of_charges, why_stripe_cannot_err

# Of the charge's answer, which has some two thousand: it begins as Stripe's does.
TRUNCATED_BYTES: Final = 400

WAYS: Final = {
    "html-402": Spoilt(
        "a page with 402, which is what Stripe says of a declined card",
        of_charges("execute_then_html", status=402),
    ),
    "html-200": Spoilt("a page with 200", of_charges("execute_then_html", status=200)),
    "html-502": Spoilt("a page with 502", of_charges("execute_then_html", status=502)),
    "truncated": Spoilt(
        "Stripe's answer, which breaks off",
        of_charges("execute_then_truncate", bytes=TRUNCATED_BYTES),
    ),
    "empty": Spoilt("200 and nothing", of_charges("execute_then_empty")),
}


class StripeAnswersOfOthersScenario(SpoiltCharges):
    ways = WAYS


DRILL: Final = Drill(
    slug="stripe-answers-of-others",
    question="a proxy answers charges in Stripe's place, after Stripe took the money: is its page,"
    " whatever its status, taken for Stripe's word?",
    expected="each is unknown until Stripe itself is asked; one charge, and the order is paid",
    blast_radius=f"the charges of {SPELL_SECONDS:.0f} s, which come late; webhooks late",
    points={point: way.words for point, way in WAYS.items()},
    scenario=StripeAnswersOfOthersScenario,
    why_not=why_stripe_cannot_err,
)
