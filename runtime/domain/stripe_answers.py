"""From Stripe's answer to our outcome: the whole table, in pure functions.

`stripe_shape` has told whose the answer is and taken it apart; this module decides. An answer that
is not Stripe's is `Unknown`, whatever its status number. Codes come before types and types before
status numbers, because Stripe documents the codes and has changed the types (a 409 for a key in
use has carried two of them). And a success is believed only about what was asked: the same money,
all of it received, in the object that was meant.

Source:
    Stripe API reference, "Errors" and "Idempotent requests"; "Advanced error handling".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from runtime.domain.money import Money
from runtime.domain.outcome import (
    Declined,
    Halt,
    Outcome,
    Parked,
    Pending,
    Retry,
    Settled,
    Unknown,
)
from runtime.domain.refund import MORE_THAN_LEFT
from runtime.domain.stripe_shape import (
    Answer,
    NoAnswer,
    NotStripes,
    Refusal,
    Shown,
    ShownIntent,
    intent_of,
    refund_of,
)

PAYMENT_INTENT_CANCELED: Final = "payment_intent_canceled"
"""Our word for a PaymentIntent that ended without money, by us or by hand in the dashboard."""

# Codes whose meaning is "nothing ran, the same request may run later".
_RETRY_CODES: Final = frozenset({"idempotency_key_in_use", "lock_timeout", "rate_limit"})

# Where a declined PaymentIntent can stand: in any other state the money may be on its way.
_DECLINED_STATUSES: Final = frozenset({"requires_payment_method", "canceled"})


@dataclass(frozen=True, slots=True)
class AskedCharge:
    """What a charge asked for; the metadata went along with it."""

    money: Money
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AskedRefund:
    """What a refund asked for; its currency is the charge's and was not said."""

    payment_intent_id: str
    amount_cents: int
    metadata: Mapping[str, str]


def outcome_of_charge(answer: Answer, asked: AskedCharge) -> Outcome:
    """Classify the answer to a PaymentIntent's creation and confirmation."""
    match answer:
        case NoAnswer() | NotStripes():
            return _unanswered(answer)
        case Refusal():
            return _refused(answer, asked)
        case Shown():
            return _charged(intent_of(answer.document), asked)
    assert_never(answer)


def outcome_of_cancel(answer: Answer, payment_intent_id: str) -> Outcome:
    """Classify the answer to a cancellation: only a canceled PaymentIntent is one."""
    match answer:
        case NoAnswer() | NotStripes():
            return _unanswered(answer)
        case Refusal():
            refused = _refused(answer, None)
            # A decline of a cancellation is no word about the PaymentIntent.
            if isinstance(refused, Declined):
                return Unknown(f"a cancellation that was declined: {refused.code}")
            return refused
        case Shown():
            intent = intent_of(answer.document)
            if intent is None or intent.payment_intent_id != payment_intent_id:
                return Unknown("200 without the PaymentIntent that was to be canceled")
            if intent.status == "canceled":
                return Declined(PAYMENT_INTENT_CANCELED, intent.payment_intent_id)
            if intent.status == "succeeded":
                return Unknown("200 with a PaymentIntent that has succeeded")
            return Pending(intent.payment_intent_id, intent.status)
    assert_never(answer)


def outcome_of_refund(answer: Answer, asked: AskedRefund) -> Outcome:
    """Classify the answer to a refund; a refund's own states stand beside a PaymentIntent's."""
    match answer:
        case NoAnswer() | NotStripes():
            return _unanswered(answer)
        case Refusal(http_status=404, code="resource_missing"):
            # This refund names what Stripe does not have; nobody else's request is wrong.
            return Parked("resource_missing")
        # Others gave a part back meanwhile; Stripe says so in words, and names the parameter.
        case Refusal(
            http_status=400,
            type="invalid_request_error",
            param="amount",
            code=None | "amount_too_large",
        ):
            return Parked(MORE_THAN_LEFT)
        case Refusal():
            return _refused(answer, None)
        case Shown():
            return _given_back(answer, asked)
    assert_never(answer)


def _unanswered(answer: NoAnswer | NotStripes) -> Outcome:
    """What happened to the request is not known, unless it never left."""
    if isinstance(answer, NotStripes):
        return Unknown(f"http {answer.http_status} is not Stripe's: {answer.why}")
    return Unknown("no answer") if answer.sent else Retry("connection refused", unreached=True)


# --- what Stripe shows ----------------------------------------------------------------------


def _charged(intent: ShownIntent | None, asked: AskedCharge) -> Outcome:
    """A 200: the PaymentIntent inside decides; one that cannot be believed may have executed."""
    if intent is None:
        return Unknown("200 without a readable PaymentIntent")
    other = _other_than_asked(intent, asked)
    if other is not None:
        # The reconciler looks at what Stripe holds, and parks it if this is what it holds.
        return Unknown(f"200 with another {other}")
    match intent.status:
        case "succeeded":
            return Settled(intent.payment_intent_id)
        case "canceled":
            return Declined(PAYMENT_INTENT_CANCELED, intent.payment_intent_id)
        case status:
            return Pending(intent.payment_intent_id, status)


def _other_than_asked(intent: ShownIntent, asked: AskedCharge) -> str | None:
    """The first thing in which it is not what was asked for; None when it is."""
    if _contradicts(intent.metadata, asked.metadata):
        return "metadata"
    return other_money(asked.money, intent.amount_cents, intent.currency) or (
        not_received(asked.money, intent.amount_received_cents)
        if intent.status == "succeeded"
        else None
    )


def other_money(ours: Money, amount_cents: int | None, currency: str | None) -> str | None:
    """In what their money differs from ours: amount, currency, or None when it is the same.

    Stripe writes currencies in lower case, and so do we: another case is another writer.
    """
    if amount_cents != ours.amount_cents:
        return "amount"
    return None if currency == ours.currency else "currency"


def not_received(ours: Money, amount_received_cents: int | None) -> str | None:
    """Whether less, or more, was received than ours; None when it is all there.

    A PaymentIntent of which a part was captured has succeeded, too.
    """
    return None if amount_received_cents == ours.amount_cents else "amount_received"


def _contradicts(shown: Mapping[str, str], sent: Mapping[str, str]) -> bool:
    """Whether metadata names other things than ours did; a name that is gone says nothing."""
    return any(shown.get(name, value) != value for name, value in sent.items())


def _given_back(answer: Shown, asked: AskedRefund) -> Outcome:
    refund = refund_of(answer.document)
    if refund is None or refund.payment_intent_id is None or refund.status is None:
        return Unknown("200 without a readable Refund")
    if refund.payment_intent_id != asked.payment_intent_id:
        return Unknown("200 with a refund of another PaymentIntent")
    if refund.amount_cents != asked.amount_cents:
        return Unknown("200 with another amount")
    if _contradicts(refund.metadata, asked.metadata):
        return Unknown("200 with another metadata")
    match refund.status:
        case "succeeded":
            return Settled(refund.payment_intent_id)
        case "pending" | "requires_action":
            return Pending(refund.payment_intent_id, refund.status)
        case "failed" | "canceled":
            return Declined(f"refund_{refund.status}", refund.payment_intent_id)
        # A word of next year: it may be money that moved, so it is looked up instead of guessed.
        case status:
            return Unknown(f"Refund status {status[:40]!r} is not known here")


# --- what Stripe refuses --------------------------------------------------------------------


def _refused(refusal: Refusal, asked: AskedCharge | None) -> Outcome:
    """An error of Stripe's; `asked` where a decline leaves a PaymentIntent of ours behind."""
    status, code = refusal.http_status, refusal.code
    # Stripe may fail after it has executed; a saved 5xx says so for ever.
    if status >= 500:
        return Unknown(f"http {status}", saved_failure=refusal.replayed)
    if refusal.type == "card_error" and status in (400, 402):
        return _declined(refusal, asked)
    # Stripe's own trouble, or a decline where none belongs: combinations that it does not have.
    if refusal.type in ("api_error", "card_error"):
        return Unknown(f"http {status} with {refusal.type}")
    if code in _RETRY_CODES or status in (409, 429):
        reason = code or f"http {status}"
        return Retry(reason, refusal.retry_after_seconds, may_run=status == 409)
    if status == 404 and refusal.param == "payment_method":
        # The order named a method that is not there: one order waits, not everybody's.
        return Parked(code or "http 404")
    # About our key or our address, so about every order alike.
    if status in (401, 403, 404):
        return Halt(code or f"http {status}")
    if status == 402:
        return _declined(refusal, asked)
    return Parked(code or refusal.type)


def _declined(refusal: Refusal, asked: AskedCharge | None) -> Outcome:
    """A decline, unless the PaymentIntent that comes with it says otherwise."""
    code = refusal.code or "card_declined"
    if refusal.payment_intent is None:
        return Declined(code, None, refusal.decline_code)
    intent = intent_of(refusal.payment_intent)
    if intent is None or intent.status not in _DECLINED_STATUSES:
        return Unknown(f"{code} with a PaymentIntent that is not declined")
    other = _other_than_asked(intent, asked) if asked is not None else None
    if other is not None:
        return Unknown(f"{code} with a PaymentIntent of another {other}")
    return Declined(code, intent.payment_intent_id, refusal.decline_code)


def payment_method_type(payment_method: str) -> str:
    """The `payment_method_types[]` value a method needs; cards unless its id says otherwise."""
    if payment_method.startswith("pm_usBankAccount"):
        return "us_bank_account"
    if payment_method.startswith("pm_sepa"):
        return "sepa_debit"
    return "card"
