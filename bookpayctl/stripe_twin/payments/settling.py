"""What happens to payments without a request: the bank decides, the customer authenticates.

Timers call these, and so does `bookpayctl stripe complete`. Each first looks whether there is still
anything to do: a timer may fire for a PaymentIntent that was cancelled meanwhile.
"""

from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import transfers
from bookpayctl.stripe_twin.payments.charging import attempt, refuse, take
from bookpayctl.stripe_twin.payments.direct import expire_charge
from bookpayctl.stripe_twin.payments.disputes import open_dispute
from bookpayctl.stripe_twin.payments.funding import fund_rest
from bookpayctl.stripe_twin.payments.intents import release
from bookpayctl.stripe_twin.payments.methods import behaviour_of
from bookpayctl.stripe_twin.payments.refunding import course_of_refund
from bookpayctl.stripe_twin.payments.test_methods import Approved, BankRefusal, Debited
from bookpayctl.stripe_twin.resources.kinds import CHARGE, PAYMENT_INTENT, PAYMENT_METHOD
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent

_NOT_AUTHENTICATED = BankRefusal(
    "payment_intent_authentication_failure",
    None,
    "The provided PaymentMethod has failed authentication.",
)
_NOT_HONOURED = BankRefusal("card_declined", "generic_decline", "Your card was declined.")


def fire(work: Work, action: str, object_id: str) -> None:
    """Do what a timer stands for."""
    if action == "settle_debit":
        settle_debit(work, object_id, succeed=None)
    elif action == "expire_capture":
        _expire_capture(work, object_id)
    elif action == "expire_charge":
        expire_charge(work, object_id)
    elif action == "open_dispute":
        open_dispute(work, object_id)
    elif action in {"refund_succeeds", "refund_fails"}:
        course_of_refund(work, object_id, succeeds=action == "refund_succeeds")
    else:
        # A ledger of a later version may plan what this one cannot do: better told than skipped.
        raise ValueError(f"no timer is called {action!r}")


def complete(work: Work, payment_intent_id: str, *, succeed: bool) -> PaymentIntent:
    """The customer authenticates (or fails to), or the bank decides; for an operator.

    Raises:
        ApiError: 404, there is no such PaymentIntent.
        ValueError: it waits for neither.
    """
    intent = work.get(PAYMENT_INTENT, payment_intent_id, "intent")
    if intent["status"] == "processing":
        settle_debit(work, payment_intent_id, succeed=succeed)
    elif intent["status"] == "requires_action":
        _authenticate(work, intent, succeed=succeed)
    else:
        raise ValueError(
            f"{payment_intent_id} is {intent['status']}; only requires_action and processing "
            "wait for anything"
        )
    return work.get(PAYMENT_INTENT, payment_intent_id, "intent")


def settle_debit(work: Work, payment_intent_id: str, *, succeed: bool | None) -> None:
    """The bank decides: as told, or as the test method has it when `succeed` is None."""
    intent = work.find(PAYMENT_INTENT, payment_intent_id)
    if intent is None or intent["status"] != "processing" or intent["latest_charge"] is None:
        return
    charge = work.get(CHARGE, intent["latest_charge"])
    method = work.get(PAYMENT_METHOD, intent["payment_method"] or "")
    test = behaviour_of(method)
    planned = test.result.then if isinstance(test.result, Debited) else None
    if succeed is None:
        verdict = planned
    elif succeed:
        verdict = Approved()
    else:
        # The refusal that the method stands for, so that an operator need not know its code.
        verdict = planned if isinstance(planned, BankRefusal) else _NOT_HONOURED
    if isinstance(verdict, Approved):
        take(work, intent, charge, test)
    # None waits on: some methods are decided by an operator only.
    elif verdict is not None:
        refuse(work, intent, charge, method, verdict)


def _authenticate(work: Work, intent: PaymentIntent, *, succeed: bool) -> None:
    method = work.get(PAYMENT_METHOD, intent["payment_method"] or "")
    if succeed and method["type"] == "customer_balance":
        fund_rest(work, intent)
        return
    transfers.unapply(work, intent)
    if succeed:
        attempt(work, intent, method, off_session=False, authenticated=True)
        return
    # No charge is made when authentication fails: the network was never asked.
    intent["last_payment_error"] = {
        "code": _NOT_AUTHENTICATED.code,
        "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
        "message": _NOT_AUTHENTICATED.message,
        "type": "invalid_request_error",
    }
    intent["next_action"] = None
    intent["payment_method"] = None
    intent["status"] = "requires_payment_method"
    work.save(PAYMENT_INTENT, intent)
    work.emit("payment_intent.payment_failed", intent)


def _expire_capture(work: Work, payment_intent_id: str) -> None:
    intent = work.find(PAYMENT_INTENT, payment_intent_id)
    if intent is not None and intent["status"] == "requires_capture":
        release(work, intent, reason="automatic")
