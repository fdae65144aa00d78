"""Charges of the older API, without a PaymentIntent: one request, one attempt, no second chance."""

from dataclasses import dataclass
from typing import assert_never

from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.errors import invalid
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments.charging import (
    CAPTURE_WINDOW_SECONDS,
    approve,
    dispute,
    fail,
)
from bookpayctl.stripe_twin.payments.currencies import check_last_digits
from bookpayctl.stripe_twin.payments.intents import capture_charge
from bookpayctl.stripe_twin.payments.methods import behaviour_of
from bookpayctl.stripe_twin.payments.test_methods import (
    AUTHENTICATION_REQUIRED,
    Approved,
    BankRefusal,
    Challenged,
    Debited,
    Transferred,
)
from bookpayctl.stripe_twin.resources.charge import Charge, new_charge
from bookpayctl.stripe_twin.resources.kinds import CHARGE
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent
from bookpayctl.stripe_twin.resources.payment_method import PaymentMethod, as_source


@dataclass(frozen=True, slots=True)
class DirectDecline:
    """The charge failed and stays; the error object that the API answers with 402."""

    error: dict[str, Json]


def charge_directly(
    work: Work, described: PaymentIntent, card: PaymentMethod, *, capture: bool
) -> Charge | DirectDecline:
    """Try to take the money.

    Args:
        work: the unit that everything is written to.
        described: amount, currency, metadata and so on; a PaymentIntent that is never saved.
        card: what to charge.
        capture: take the money now; otherwise it is reserved.
    """
    charge = new_charge(work.new_id(CHARGE), described, card, created=work.created)
    charge["payment_intent"] = None
    charge["source"] = as_source(card)
    test = behaviour_of(card)
    result = test.result
    if isinstance(result, Challenged):
        # The older API cannot ask the customer for anything.
        result = AUTHENTICATION_REQUIRED
    match result:
        case Approved():
            approve(work, charge, test, capture=capture)
            if not capture:
                work.later(CAPTURE_WINDOW_SECONDS, "expire_charge", charge["id"])
            dispute(work, charge, test)
            # Read again: a dispute that opened at once has marked it meanwhile.
            return work.get(CHARGE, charge["id"])
        case BankRefusal():
            return DirectDecline({**fail(work, charge, result), "type": "card_error"})
        # The older API answers at once and has no state to wait in.
        case Debited() | Transferred():
            raise invalid("This source cannot be charged directly.", param="source")
    assert_never(result)


def capture_directly(work: Work, charge: Charge, amount: int | None) -> None:
    """Take what a charge without a PaymentIntent has reserved, or part of it.

    Raises:
        ApiError: 400, it has been captured, has failed, lapsed, or belongs to a PaymentIntent.
    """
    # Captured past it, the PaymentIntent would go on waiting for a capture of money that is taken.
    if charge["payment_intent"] is not None:
        raise invalid(
            f"Charge {charge['id']} was made by a PaymentIntent: capture "
            f"{charge['payment_intent']} instead."
        )
    if charge["captured"]:
        raise invalid(
            f"Charge {charge['id']} has already been captured.", code="charge_already_captured"
        )
    if charge["refunded"]:
        raise invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} has failed; there is nothing to capture.")
    taken = charge["amount"] if amount is None else amount
    if not 1 <= taken <= charge["amount"]:
        raise invalid(
            "The amount to capture must be at least 1 and at most the amount authorized.",
            code="amount_too_large" if taken > 1 else "parameter_invalid_integer",
            param="amount",
        )
    check_last_digits(taken, charge["currency"])
    capture_charge(work, charge, taken)


def expire_charge(work: Work, charge_id: str) -> None:
    """Nobody captured it in time: what was reserved is let go."""
    charge = work.find(CHARGE, charge_id)
    if charge is None or charge["captured"] or charge["refunded"]:
        return
    # No refund object and no balance transaction: nothing was taken that could be given back.
    charge["refunded"] = True
    charge["amount_refunded"] = charge["amount"]
    work.save(CHARGE, charge)
    work.emit("charge.expired", charge)
