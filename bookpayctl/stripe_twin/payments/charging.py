"""One attempt to take money for a PaymentIntent, and what it leaves behind.

A decline is an outcome: the PaymentIntent, the failed charge and their events stay although the
API answers 402. Only requests that should never have been executed raise.
"""

from dataclasses import dataclass
from typing import assert_never

from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.ledger.work import ExecutionKind, Work
from bookpayctl.stripe_twin.payments import transfers
from bookpayctl.stripe_twin.payments.balance import book_charge
from bookpayctl.stripe_twin.payments.disputes import open_dispute
from bookpayctl.stripe_twin.payments.methods import behaviour_of
from bookpayctl.stripe_twin.payments.test_methods import (
    AUTHENTICATION_REQUIRED,
    Approved,
    BankRefusal,
    Challenged,
    Debited,
    TestMethod,
    Transferred,
)
from bookpayctl.stripe_twin.resources.charge import Charge, new_charge, outcome_of
from bookpayctl.stripe_twin.resources.kinds import CHARGE, PAYMENT_INTENT, public
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent
from bookpayctl.stripe_twin.resources.payment_method import PaymentMethod

# An authorisation that nobody captures is released after seven days.
CAPTURE_WINDOW_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class DeclinedCharge:
    """The attempt failed; the error object that the API answers with 402."""

    error: dict[str, object]


def attempt(
    work: Work,
    intent: PaymentIntent,
    method: PaymentMethod,
    *,
    off_session: bool,
    authenticated: bool = False,
) -> DeclinedCharge | None:
    """Try to take the money; the PaymentIntent is changed and saved whatever happens.

    Args:
        work: the unit that everything is written to.
        intent: a free copy, in a state that may be confirmed.
        method: what to charge.
        off_session: the customer is not there to authenticate.
        authenticated: the customer just did.
    """
    test = behaviour_of(method)
    result = test.result
    intent["payment_method"] = method["id"]
    # What was sent for it is free again when it is paid in another way.
    if not isinstance(result, Transferred):
        transfers.unapply(work, intent)
    # A new attempt: what the last one failed of must not be read as its result.
    intent["last_payment_error"] = None
    intent["next_action"] = None
    if isinstance(result, Challenged):
        if authenticated:
            result = result.then
        # Nobody is there to be challenged, so the bank's wish to do so is a decline, with a code of
        # its own.
        elif off_session:
            result = AUTHENTICATION_REQUIRED
    match result:
        case Approved():
            charge = new_charge(work.new_id(CHARGE), intent, method, created=work.created)
            take(work, intent, charge, test)
            return None
        case BankRefusal():
            charge = new_charge(work.new_id(CHARGE), intent, method, created=work.created)
            return refuse(work, intent, charge, method, result)
        case Challenged():
            _challenge(work, intent)
            return None
        case Debited(then):
            _debit(work, intent, method, decided=then is not None)
            return None
        case Transferred():
            if transfers.begin(work, intent):
                charge = new_charge(work.new_id(CHARGE), intent, method, created=work.created)
                take(work, intent, charge, test)
            return None
    assert_never(result)


def take(work: Work, intent: PaymentIntent, charge: Charge, test: TestMethod) -> None:
    """The charge is approved: money is taken, or reserved when capture is manual."""
    reserve = intent["capture_method"] == "manual"
    approve(work, charge, test, capture=not reserve)
    intent["latest_charge"] = charge["id"]
    intent["processing"] = None
    if reserve:
        intent["status"] = "requires_capture"
        intent["amount_capturable"] = intent["amount"]
        # Authorised is not paid. Whoever forgets the capture loses the money, as at Stripe, a week
        # later.
        work.later(CAPTURE_WINDOW_SECONDS, "expire_capture", intent["id"])
    else:
        intent["status"] = "succeeded"
        intent["amount_received"] = intent["amount"]
    work.save(PAYMENT_INTENT, intent)
    # After charge.succeeded here, but Stripe promises no order and the dispatcher keeps none.
    work.emit(
        "payment_intent.amount_capturable_updated" if reserve else "payment_intent.succeeded",
        intent,
    )
    dispute(work, charge, test)


def approve(work: Work, charge: Charge, test: TestMethod, *, capture: bool) -> None:
    """The network approves of a charge, whatever it belongs to."""
    charge["status"] = "succeeded"
    charge["paid"] = True
    charge["outcome"] = outcome_of(approved=True, reason=None)
    if capture:
        charge["captured"] = True
        charge["amount_captured"] = charge["amount"]
        charge["balance_transaction"] = book_charge(
            work, charge, charge["amount"], at_once=test.available_at_once
        )
    _record(work, "charge" if capture else "authorization", charge)
    work.save(CHARGE, charge)
    work.emit("charge.succeeded", charge)


def dispute(work: Work, charge: Charge, test: TestMethod) -> None:
    """Let a charge be disputed if its method is one of those; at once, unless told otherwise."""
    if test.dispute_reason is None or not charge["captured"]:
        return
    if work.context.dispute_seconds > 0:
        work.later(work.context.dispute_seconds, "open_dispute", charge["id"])
    else:
        open_dispute(work, charge["id"])


def refuse(
    work: Work, intent: PaymentIntent, charge: Charge, method: PaymentMethod, reason: BankRefusal
) -> DeclinedCharge:
    """The charge failed: the PaymentIntent is free for another method, the charge stays failed."""
    error = fail(work, charge, reason)
    shown: dict[str, Json] = dict(public(method))  # type: ignore[arg-type] # a JSON object
    intent["last_payment_error"] = {**error, "payment_method": shown, "type": "card_error"}
    intent["latest_charge"] = charge["id"]
    # As recorded: a declined PaymentIntent has forgotten its method, tells of the last error, and
    # may be confirmed again with another one.
    intent["payment_method"] = None
    intent["processing"] = None
    intent["status"] = "requires_payment_method"
    work.save(PAYMENT_INTENT, intent)
    work.emit("payment_intent.payment_failed", intent)
    # The whole PaymentIntent is in the error. With confirm=true on create its id is nowhere else,
    # and a caller who does not keep it cannot ask what became of it.
    return DeclinedCharge(
        {
            **error,
            "payment_intent": public(intent),
            "payment_method": shown,
            "type": "card_error",
        }
    )


def fail(work: Work, charge: Charge, reason: BankRefusal) -> dict[str, Json]:
    """A charge fails, whatever it belongs to; the fields of the error that tells of it."""
    charge["status"] = "failed"
    charge["failure_code"] = reason.code
    charge["failure_message"] = reason.message
    charge["outcome"] = outcome_of(
        approved=False, reason=reason.decline_code or reason.code, blocked=reason.blocked
    )
    error: dict[str, Json] = {"charge": charge["id"], "code": reason.code}
    # Only the family of card_declined has one; expired_card and the like are codes themselves.
    if reason.decline_code is not None:
        error["decline_code"] = reason.decline_code
    error["doc_url"] = f"https://stripe.com/docs/error-codes/{reason.code.replace('_', '-')}"
    error["message"] = reason.message
    work.save(CHARGE, charge)
    # An execution too: the bank was asked, and it was asked once.
    _record(work, "decline", charge)
    work.emit("charge.failed", charge)
    return error


def _record(work: Work, kind: ExecutionKind, charge: Charge) -> None:
    work.execute(
        kind,
        amount=charge["amount"],
        currency=charge["currency"],
        metadata=charge["metadata"],
        payment_intent=charge["payment_intent"],
        charge=charge["id"],
    )


def _challenge(work: Work, intent: PaymentIntent) -> None:
    intent["status"] = "requires_action"
    intent["next_action"] = {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {"type": "three_d_secure_redirect"},
    }
    work.save(PAYMENT_INTENT, intent)
    work.emit("payment_intent.requires_action", intent)


def _debit(work: Work, intent: PaymentIntent, method: PaymentMethod, *, decided: bool) -> None:
    """The bank has it now; a timer asks it later, unless it waits to be told."""
    charge = new_charge(work.new_id(CHARGE), intent, method, created=work.created)
    # Bank debits stay here for days at Stripe; cards skip this state, but for the twin's own slow
    # ones.
    charge["outcome"] = outcome_of(approved=True, reason=None)
    intent["status"] = "processing"
    intent["latest_charge"] = charge["id"]
    work.save(CHARGE, charge)
    work.save(PAYMENT_INTENT, intent)
    # No money yet. The row says that the bank has been asked, so that a second one would show.
    _record(work, "pending", charge)
    if decided:
        work.later(work.context.debit_seconds, "settle_debit", intent["id"])
    work.emit("charge.pending", charge)
    work.emit("payment_intent.processing", intent)
