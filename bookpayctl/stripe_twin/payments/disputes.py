"""Disputes, as far as a receiver of events notices them."""

from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments.test_methods import TEST_METHODS
from bookpayctl.stripe_twin.resources.account_objects import Dispute
from bookpayctl.stripe_twin.resources.kinds import CHARGE, DISPUTE, PAYMENT_METHOD

_ANSWER_WITHIN_SECONDS = 7 * 24 * 3600


def open_dispute(work: Work, charge_id: str) -> None:
    """The customer disputes a charge: the charge is marked and an event tells of it."""
    charge = work.find(CHARGE, charge_id)
    if charge is None or charge["disputed"] or charge["refunded"]:
        return
    method = work.get(PAYMENT_METHOD, charge["payment_method"] or "")
    test = TEST_METHODS[method["twin_behaviour"]]
    dispute: Dispute = {
        "id": work.mint(DISPUTE),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": work.created,
        "currency": charge["currency"],
        "evidence": {},
        "evidence_details": {
            "due_by": work.created + _ANSWER_WITHIN_SECONDS,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": test.dispute_is_inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": test.dispute_reason or "general",
        "status": "warning_needs_response" if test.dispute_is_inquiry else "needs_response",
    }
    charge["disputed"] = True
    work.save(DISPUTE, dispute)
    work.save(CHARGE, charge)
    work.execute(
        "dispute",
        amount=charge["amount"],
        currency=charge["currency"],
        metadata=charge["metadata"],
        payment_intent=charge["payment_intent"],
        charge=charge["id"],
    )
    work.emit("charge.dispute.created", dispute)
