"""Which action a PaymentIntent's status allows, and the words of the refusal. Pure."""

from typing import Literal

from bookpayctl.stripe_twin.errors import ApiError, unexpected_state
from bookpayctl.stripe_twin.resources.kinds import public
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent, PaymentIntentStatus

IntentAction = Literal["confirm", "capture", "cancel", "update"]

_ALLOWED: dict[IntentAction, tuple[PaymentIntentStatus, ...]] = {
    "confirm": ("requires_payment_method", "requires_confirmation", "requires_action"),
    "capture": ("requires_capture",),
    "cancel": (
        "requires_payment_method",
        "requires_capture",
        "requires_confirmation",
        "requires_action",
        "processing",
    ),
    "update": ("requires_payment_method", "requires_confirmation", "requires_action"),
}
# As recorded for confirm, capture and cancel; the words for an update are the twin's.
_VERB: dict[IntentAction, tuple[str, str]] = {
    "confirm": ("You cannot confirm this PaymentIntent", "confirmed"),
    "capture": ("This PaymentIntent could not be captured", "captured"),
    "cancel": ("You cannot cancel this PaymentIntent", "canceled"),
    "update": ("This PaymentIntent could not be updated", "updated"),
}
# Kinds of method whose payment can still be called back while the bank is at it. The twin's own
# slow cards belong here, so that a drill can end what it started.
# Stripe cancels `processing` "in rare cases", among them American bank debits.
_RECALLABLE = ("us_bank_account", "card")


def refusal(
    action: IntentAction, intent: PaymentIntent, *, method_kind: str | None
) -> ApiError | None:
    """The error for this action in this state, or None when it is allowed.

    Args:
        action: what is asked for.
        intent: the PaymentIntent as it is.
        method_kind: type of the payment method that is being processed, if any.
    """
    status = intent["status"]
    if status in _ALLOWED[action]:
        if action == "cancel" and status == "processing" and method_kind not in _RECALLABLE:
            return _unexpected(action, intent)
        return None
    return _unexpected(action, intent)


def _unexpected(action: IntentAction, intent: PaymentIntent) -> ApiError:
    status = intent["status"]
    start, participle = _VERB[action]
    # The guard that outlives the idempotency key: a PaymentIntent succeeds once, and confirming it
    # again is a 400 and never a second charge.
    if action == "confirm" and status == "succeeded":
        message = f"{start} because it has already succeeded after being previously confirmed."
    else:
        allowed = ", ".join(_ALLOWED[action])
        message = (
            f"{start} because it has a status of {status}. Only a PaymentIntent with one of the "
            f"following statuses may be {participle}: {allowed}."
        )
    # With the PaymentIntent: whoever lost the first answer reads in the refusal that it went
    # through.
    return unexpected_state(message, public(intent))
