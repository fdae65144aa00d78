"""Capturing and cancelling a PaymentIntent."""

from bookpayctl.stripe_twin.errors import invalid
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import transfers
from bookpayctl.stripe_twin.payments.balance import book_charge
from bookpayctl.stripe_twin.payments.currencies import check_last_digits
from bookpayctl.stripe_twin.payments.methods import behaviour_of
from bookpayctl.stripe_twin.payments.states import refusal
from bookpayctl.stripe_twin.resources.charge import Charge
from bookpayctl.stripe_twin.resources.kinds import CHARGE, PAYMENT_INTENT, PAYMENT_METHOD
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent


def capture(work: Work, intent: PaymentIntent, amount: int | None) -> None:
    """Take what was authorised, or part of it; the rest is released.

    Raises:
        ApiError: 400, it is not waiting for a capture, or more is asked than was authorised.
    """
    refused = refusal("capture", intent, method_kind=None)
    if refused is not None:
        raise refused
    taken = intent["amount_capturable"] if amount is None else amount
    if not 1 <= taken <= intent["amount_capturable"]:
        raise invalid(
            "The amount to capture must be at least 1 and at most the amount authorized.",
            code="amount_too_large" if taken > 1 else "parameter_invalid_integer",
            param="amount_to_capture",
        )
    check_last_digits(taken, intent["currency"], "amount_to_capture")
    charge = work.get(CHARGE, intent["latest_charge"] or "")
    intent["status"] = "succeeded"
    # Captured in part, the rest is released: there is no second capture.
    intent["amount_capturable"] = 0
    intent["amount_received"] = taken
    capture_charge(work, charge, taken)
    work.save(PAYMENT_INTENT, intent)
    work.emit("payment_intent.succeeded", intent)


def capture_charge(work: Work, charge: Charge, taken: int) -> None:
    """Take so much of what a charge has reserved."""
    before = dict(charge)
    charge["captured"] = True
    charge["amount_captured"] = taken
    # What was not captured shows as refunded, which it never was: Stripe counts so.
    charge["amount_refunded"] = charge["amount"] - taken
    method = work.find(PAYMENT_METHOD, charge["payment_method"] or "")
    at_once = method is not None and behaviour_of(method).available_at_once
    charge["balance_transaction"] = book_charge(work, charge, taken, at_once=at_once)
    work.save(CHARGE, charge)
    work.execute(
        "capture",
        amount=taken,
        currency=charge["currency"],
        metadata=charge["metadata"],
        payment_intent=charge["payment_intent"],
        charge=charge["id"],
    )
    work.emit_change("charge.captured", charge, before)


def cancel(work: Work, intent: PaymentIntent, reason: str | None) -> None:
    """End a PaymentIntent that took no money.

    Raises:
        ApiError: 400, its state does not allow it; the PaymentIntent is in the error.
    """
    method_kind = None
    if intent["payment_method"] is not None:
        method = work.find(PAYMENT_METHOD, intent["payment_method"])
        method_kind = method["type"] if method is not None else None
    refused = refusal("cancel", intent, method_kind=method_kind)
    if refused is not None:
        raise refused
    release(work, intent, reason)


def release(work: Work, intent: PaymentIntent, reason: str | None) -> None:
    """Cancel without asking whether it may be, and let go of what was reserved."""
    charge = work.find(CHARGE, intent["latest_charge"]) if intent["latest_charge"] else None
    if charge is not None and intent["status"] == "requires_capture":
        before = dict(charge)
        charge["refunded"] = True
        charge["amount_refunded"] = charge["amount"]
        work.save(CHARGE, charge)
        # Stripe has one event for an authorisation that lapsed and another for one that was let go.
        expired = reason == "automatic"
        work.emit_change("charge.expired" if expired else "charge.refunded", charge, before)
    elif charge is not None and intent["status"] == "processing":
        charge["status"] = "failed"
        # The bank was asked already, so the attempt ends as a failed one instead of vanishing.
        charge["failure_code"] = "payment_intent_canceled"
        charge["failure_message"] = "The PaymentIntent was canceled."
        work.save(CHARGE, charge)
        work.emit("charge.failed", charge)
    transfers.unapply(work, intent)
    intent["status"] = "canceled"
    intent["canceled_at"] = work.created
    intent["cancellation_reason"] = reason
    intent["amount_capturable"] = 0
    intent["next_action"] = None
    intent["processing"] = None
    work.save(PAYMENT_INTENT, intent)
    work.emit("payment_intent.canceled", intent)
