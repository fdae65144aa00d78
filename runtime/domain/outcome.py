"""What an attempt at Stripe came to: seven outcomes, and nothing else.

Outcomes are values. Each says what the caller must do, and `Unknown` is a first-class one: the
request left, no answer came, the money may have moved. The table that maps Stripe's answers to
them is `stripe_answers`; what a payment becomes is `payment`.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.domain.names import PaymentIntentId


@dataclass(frozen=True, slots=True)
class Settled:
    """The money moved: the PaymentIntent (or refund) succeeded."""

    payment_intent_id: PaymentIntentId


@dataclass(frozen=True, slots=True)
class Pending:
    """Stripe has the PaymentIntent and will announce its end later.

    Attributes:
        status: Stripe's own word, such as processing or requires_action.
    """

    payment_intent_id: PaymentIntentId
    status: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The card was refused; the PaymentIntent exists all the same, known when Stripe said it.

    Attributes:
        code: Stripe's error code, the reason the order gets.
        decline_code: the issuer's finer word, for people.
    """

    code: str
    payment_intent_id: PaymentIntentId | None = None
    decline_code: str | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """The request itself is wrong; trying again changes nothing and a person has to look."""

    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Our credentials or address are wrong; stop sending, blame no order."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """This request executed nothing; send the same key again, after `after_seconds` if given.

    Attributes:
        may_run: another request with the key is under way at Stripe, so something may execute.
        patient: nothing is wrong, the answer is only not there yet; it does not count as a failure.
        unreached: whoever should have executed it was not there, or could not: no other request
            would fare better now.
    """

    reason: str
    after_seconds: float | None = None
    may_run: bool = False
    patient: bool = False
    unreached: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may have been executed.

    Attributes:
        saved_failure: Stripe replayed a saved 5xx, so the same key will never say more.
    """

    reason: str
    saved_failure: bool = False


# Closed on purpose: a new kind of end is a decision in both machines, which assert_never finds.
Outcome = Settled | Pending | Declined | Parked | Halt | Retry | Unknown
