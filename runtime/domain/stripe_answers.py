"""From Stripe's answer to our outcome: the whole table, in one pure function.

The gateway adapter reduces what the SDK returned or raised to an `Answer`; this module decides.
It matches codes before types and types before status numbers, because Stripe documents the codes
and has changed the types (a 409 for a key in use has carried two of them).

Source:
    Stripe API reference, "Errors" and "Idempotent requests"; "Advanced error handling".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.domain.names import PaymentIntentId
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

PENDING_STATUSES: Final = frozenset(
    {
        "processing",
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "requires_capture",
    }
)
"""PaymentIntent states that are neither money moved nor an end."""

# Codes whose meaning is "nothing ran, the same request may run later".
_RETRY_CODES: Final = frozenset({"idempotency_key_in_use", "lock_timeout", "rate_limit"})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of Stripe, or the lack of one.

    Attributes:
        http_status: None when no status line came back.
        object_status: `status` of the PaymentIntent in a 2xx body; None when there is none.
        sent: False only when the connection was refused before a byte left.
        error_param: the parameter of our request that an error blames; None when it blames none.
        replayed: the header Idempotent-Replayed was true.
    """

    http_status: int | None
    payment_intent_id: PaymentIntentId | None = None
    object_status: str | None = None
    error_type: str | None = None
    error_code: str | None = None
    error_param: str | None = None
    decline_code: str | None = None
    retry_after_seconds: float | None = None
    replayed: bool = False
    sent: bool = True


def outcome_of_charge(answer: Answer) -> Outcome:
    """Classify the answer to a PaymentIntent create or cancel."""
    if answer.http_status is None:
        return Unknown("no answer") if answer.sent else Retry("connection refused")
    if 200 <= answer.http_status < 300:
        return _outcome_of_payment_intent(answer)
    return _outcome_of_error(answer, answer.http_status)


def _outcome_of_payment_intent(answer: Answer) -> Outcome:
    """A 2xx: the status inside decides; a 2xx that could not be read may have executed."""
    if answer.payment_intent_id is None or answer.object_status is None:
        return Unknown("2xx without a readable PaymentIntent")
    match answer.object_status:
        case "succeeded":
            return Settled(answer.payment_intent_id)
        # Ended without money: by us, or by hand in the dashboard.
        case "canceled":
            return Declined("payment_intent_canceled", answer.payment_intent_id)
        case status if status in PENDING_STATUSES:
            return Pending(answer.payment_intent_id, status)
        # A word of next year: it may be money that moved, so it is looked up instead of guessed.
        case status:
            return Unknown(f"PaymentIntent status {status[:40]!r} is not known here")


def _outcome_of_error(answer: Answer, status: int) -> Outcome:
    code = answer.error_code
    if code in _RETRY_CODES or status in (409, 429):
        reason = code or f"http {status}"
        return Retry(reason, answer.retry_after_seconds, may_run=status == 409)
    # Stripe may fail after it has executed; a saved 5xx says so for ever.
    if status >= 500:
        return Unknown(f"http {status}", saved_failure=answer.replayed)
    if status == 404 and answer.error_param == "payment_method":
        # The order named a method that is not there: one order waits, not everybody's.
        return Parked(code or "http 404")
    # About our key or our address, so about every order alike.
    if status in (401, 403, 404):
        return Halt(code or f"http {status}")
    if status == 402 or answer.error_type == "card_error":
        return Declined(code or "card_declined", answer.payment_intent_id, answer.decline_code)
    if 400 <= status < 500:
        return Parked(code or answer.error_type or f"http {status}")
    return Unknown(f"http {status}")


def outcome_of_refund(answer: Answer) -> Outcome:
    """Classify the answer to a refund; a refund's own states stand beside a PaymentIntent's."""
    if answer.http_status == 404 and answer.error_code == "resource_missing":
        # This refund names what Stripe does not have; nobody else's request is wrong.
        return Parked("resource_missing")
    if answer.http_status is None or not 200 <= answer.http_status < 300:
        return outcome_of_charge(answer)
    if answer.payment_intent_id is None or answer.object_status is None:
        return Unknown("2xx without a readable Refund")
    match answer.object_status:
        case "succeeded":
            return Settled(answer.payment_intent_id)
        case "pending" | "requires_action":
            return Pending(answer.payment_intent_id, answer.object_status)
        case "failed" | "canceled":
            return Declined(f"refund_{answer.object_status}", answer.payment_intent_id)
        case status:
            return Unknown(f"Refund status {status[:40]!r} is not known here")


def payment_method_type(payment_method: str) -> str:
    """The `payment_method_types[]` value a method needs; cards unless its id says otherwise."""
    if payment_method.startswith("pm_usBankAccount"):
        return "us_bank_account"
    if payment_method.startswith("pm_sepa"):
        return "sepa_debit"
    return "card"
