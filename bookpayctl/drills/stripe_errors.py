"""stripe-errors: Stripe answers charges with errors of its own that say nothing of the card.

Question: does an error of Stripe's, or a wrong key of ours, cost a customer an order or a second
charge? Expected: the same key is sent again, or Stripe is asked what it holds; every order is paid
when Stripe is well again, and none was called failed on the way. The one exception is told as it
is: a failure that Stripe saved before it executed anything ends the order, once that is proven.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill
from bookpayctl.drills.observing.spell import SPELL_SECONDS
from bookpayctl.drills.observing.spoilt_charges import Spoilt, SpoiltCharges
from bookpayctl.faults.stripe import of_charges, why_stripe_cannot_err
from runtime.domain.names import PaymentState

# Longer than anybody waits for one answer, so that the same key is sent while it is under way.
SLOW_SECONDS: Final = 12.0

# Of ten a second, so that not every thread of the worker waits for one.
SLOW_SHARE: Final = 0.3

WAYS: Final = {
    "saved-500": Spoilt(
        "a 500 after the charge was executed, replayed for its key for ever",
        of_charges("execute_then_500"),
        status=500,
    ),
    "failed-500": Spoilt(
        "a 500 instead of the charge, replayed for its key for ever: such orders end cancelled",
        of_charges("saved_500"),
        status=500,
        executed=False,
    ),
    "in-flight": Spoilt(
        "409: the first request is still under way when its key comes again",
        of_charges("slow", share=SLOW_SHARE, seconds=SLOW_SECONDS),
        status=409,
    ),
    "rate-limited": Spoilt(
        "429 for every charge",
        of_charges("rate_limit"),
        waits_as=PaymentState.PENDING,
        status=429,
    ),
    "bad-key": Spoilt(
        "401: our key is refused for a while",
        of_charges("reject", status=401),
        waits_as=PaymentState.PENDING,
        status=401,
    ),
}


class StripeErrorsScenario(SpoiltCharges):
    ways = WAYS


DRILL: Final = Drill(
    slug="stripe-errors",
    question="Stripe answers charges with 500, 409, 429 or 401: is the same key sent again, and is"
    " nobody told that a payment failed which did not?",
    expected="one key for each order, at most one charge, and each is paid when Stripe is well",
    blast_radius=f"the charges of {SPELL_SECONDS:.0f} s, which come late; orders of failed-500 are"
    " cancelled; webhooks late",
    points={point: way.words for point, way in WAYS.items()},
    scenario=StripeErrorsScenario,
    why_not=why_stripe_cannot_err,
)
