"""Refunds: partial ones add up to the charge at most, and some come back."""

from collections.abc import Mapping
from dataclasses import dataclass

from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.errors import ApiError, invalid
from bookpayctl.stripe_twin.ledger.work import ExecutionKind, Work
from bookpayctl.stripe_twin.payments.balance import book_refund, book_refund_failure
from bookpayctl.stripe_twin.payments.currencies import check_last_digits, in_words
from bookpayctl.stripe_twin.payments.methods import behaviour_of
from bookpayctl.stripe_twin.payments.test_methods import RefundCourse
from bookpayctl.stripe_twin.resources.charge import Charge
from bookpayctl.stripe_twin.resources.kinds import CHARGE, PAYMENT_INTENT, PAYMENT_METHOD, REFUND
from bookpayctl.stripe_twin.resources.refund import Refund


@dataclass(frozen=True, slots=True)
class RefundInput:
    """What a request for a refund says; the whole rest of the charge if amount is None."""

    charge: str | None
    payment_intent: str | None
    amount: int | None
    reason: str | None
    metadata: dict[str, str]


def refund(work: Work, wanted: RefundInput) -> Refund:
    """Give money back.

    Raises:
        ApiError: 404, no such charge or PaymentIntent; 400, nothing or not so much to refund.
    """
    charge = _charge_to_refund(work, wanted)
    # A full refund is capped by this; a partial one is not. Sent again under another key it gives
    # money back twice, here as at Stripe, and only the caller's own books can tell.
    left = charge["amount_captured"] - _given_back(charge)
    # The bank has taken the money already; a refund on top would be paid twice. An inquiry has
    # taken nothing, and a dispute that was won has given it back.
    if charge.get("twin_withdrawn", False):
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if charge["refunded"] or left <= 0:
        raise invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount = left if wanted.amount is None else wanted.amount
    if amount < 1:
        raise invalid("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    if amount > left:
        raise _too_much(amount, left, charge["currency"])
    # What is left is always given back whole: only an amount that was named can be refused.
    if wanted.amount is not None:
        check_last_digits(amount, charge["currency"])
    course = _course(work, charge)
    made = _new_refund(work, wanted, charge, amount, course)
    made["balance_transaction"] = book_refund(work, made["id"], amount, charge["currency"])
    before = dict(charge)
    charge["amount_refunded"] += amount
    # True for the whole amount only; a charge refunded in part is found by its amount.
    charge["refunded"] = charge["amount_refunded"] >= charge["amount"]
    work.save(REFUND, made)
    work.save(CHARGE, charge)
    _record(work, "refund", made)
    work.emit("refund.created", made)
    # For partial refunds too: whoever takes this event for "all of it" gives goods away or keeps
    # them.
    work.emit_change("charge.refunded", charge, before)
    if course == "pending_then_succeeds":
        work.later(work.context.refund_seconds, "refund_succeeds", made["id"])
    elif course == "succeeds_then_fails":
        work.later(work.context.refund_seconds, "refund_fails", made["id"])
    return made


def _new_refund(
    work: Work, wanted: RefundInput, charge: Charge, amount: int, course: RefundCourse
) -> Refund:
    made: Refund = {
        "id": work.new_id(REFUND),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": work.created,
        "currency": charge["currency"],
        "destination_details": _destination(charge),
        "metadata": wanted.metadata,
        "payment_intent": charge["payment_intent"],
        "reason": wanted.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if course == "pending_then_succeeds" else "succeeded",
        "transfer_reversal": None,
    }
    if made["status"] == "pending":
        made["pending_reason"] = "processing"
    return made


def course_of_refund(work: Work, refund_id: str, *, succeeds: bool) -> None:
    """The bank reports on a refund: it went through, or the money came back."""
    made = work.find(REFUND, refund_id)
    # A refund that succeeded can still fail, at Stripe for up to 30 days: success is not the last
    # word.
    if made is None or made["status"] not in {"pending", "succeeded"}:
        return
    before = dict(made)
    if succeeds:
        made["status"] = "succeeded"
        made.pop("pending_reason", None)
        work.save(REFUND, made)
    else:
        undo_refund(work, made, status_failed=True)
    tell_of_refund(work, made, before)
    if not succeeds:
        work.emit("refund.failed", made)


def cancel_refund(work: Work, made: Refund) -> None:
    """Stop a refund that has not left yet.

    Raises:
        ApiError: 400, it is not pending any more.
    """
    if made["status"] not in {"pending", "requires_action"}:
        raise invalid(f"You cannot cancel a refund that is {made['status']}.")
    before = dict(made)
    undo_refund(work, made, status_failed=False)
    tell_of_refund(work, made, before)


def tell_of_refund(work: Work, made: Refund, before: Mapping[str, object]) -> None:
    """A refund changed."""
    work.emit_change("refund.updated", made, before)
    # Deprecated, and still what older receivers listen to.
    work.emit_change("charge.refund.updated", made, before)


def undo_refund(work: Work, made: Refund, *, status_failed: bool) -> None:
    """Take a refund back into the charge and the balance, because it failed or was cancelled."""
    made["status"] = "failed" if status_failed else "canceled"
    made.pop("pending_reason", None)
    if status_failed:
        made["failure_reason"] = "lost_or_stolen_card"
    made["failure_balance_transaction"] = book_refund_failure(
        work, made["id"], made["amount"], made["currency"]
    )
    charge = work.get(CHARGE, made["charge"])
    charge["amount_refunded"] -= made["amount"]
    charge["refunded"] = False
    work.save(REFUND, made)
    work.save(CHARGE, charge)
    # Its own row beside the refund's: the ledger tells what happened and is never corrected.
    _record(work, "refund_failed", made)


def _record(work: Work, kind: ExecutionKind, made: Refund) -> None:
    work.execute(
        kind,
        amount=made["amount"],
        currency=made["currency"],
        metadata=made["metadata"],
        payment_intent=made["payment_intent"],
        charge=made["charge"],
        refund=made["id"],
    )


def _charge_to_refund(work: Work, wanted: RefundInput) -> Charge:
    # The newer way wins if both are given: a PaymentIntent has one charge that succeeded.
    if wanted.payment_intent is not None:
        intent = work.get(PAYMENT_INTENT, wanted.payment_intent, "payment_intent")
        if intent["status"] != "succeeded" or intent["latest_charge"] is None:
            raise invalid(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                param="payment_intent",
            )
        return work.get(CHARGE, intent["latest_charge"], "payment_intent")
    if wanted.charge is None:
        raise invalid("One of the following params should be provided: charge, payment_intent.")
    charge = work.get(CHARGE, wanted.charge, "charge")
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise invalid(f"Charge {charge['id']} has no successful payment to refund.", param="charge")
    return charge


def _destination(charge: Charge) -> dict[str, Json]:
    kind = str(charge["payment_method_details"]["type"])
    if kind != "card":
        return {kind: {}, "type": kind}
    card: dict[str, Json] = {
        "reference_status": "pending",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    }
    return {"card": card, "type": "card"}


def _given_back(charge: Charge) -> int:
    """Refunded so far, without the part of a partial capture that was never taken."""
    return charge["amount_refunded"] - (charge["amount"] - charge["amount_captured"])


def _course(work: Work, charge: Charge) -> RefundCourse:
    method = work.find(PAYMENT_METHOD, charge["payment_method"] or "")
    return behaviour_of(method).refunds if method is not None else "succeeds"


def _too_much(amount: int, left: int, currency: str) -> ApiError:
    # As recorded, and without a code: a client has nothing but the parameter to go by.
    return invalid(
        f"Refund amount ({in_words(amount, currency)}) is greater than unrefunded amount on "
        f"charge ({in_words(left, currency)})",
        param="amount",
    )
