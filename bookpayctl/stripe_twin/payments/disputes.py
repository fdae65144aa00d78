"""Disputes: the customer's bank takes the money back, and perhaps returns it.

What ends one is what ends Stripe's in test mode: the text `winning_evidence` or `losing_evidence`,
or giving up. An inquiry moves no money.
"""

from collections.abc import Mapping

from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.errors import invalid
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments.balance import book_dispute
from bookpayctl.stripe_twin.payments.test_methods import TEST_METHODS
from bookpayctl.stripe_twin.resources.account_objects import Dispute, new_dispute
from bookpayctl.stripe_twin.resources.kinds import (
    BALANCE_TRANSACTION,
    CHARGE,
    DISPUTE,
    PAYMENT_METHOD,
    public,
)

# What stripe.com/pricing shows for a dispute in the United States, in minor units.
_FEE = 1500
_OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")


def open_dispute(work: Work, charge_id: str) -> None:
    """The customer disputes a charge: the charge is marked, the money goes, events tell of it."""
    charge = work.find(CHARGE, charge_id)
    # Refunded in time, nothing is left to dispute; and the twin opens one dispute for a charge.
    if charge is None or charge["disputed"] or charge["refunded"]:
        return
    method = work.get(PAYMENT_METHOD, charge["payment_method"] or "")
    test = TEST_METHODS[method["twin_behaviour"]]
    dispute = new_dispute(
        work.new_id(DISPUTE),
        charge,
        reason=test.dispute_reason or "general",
        inquiry=test.dispute_is_inquiry,
        created=work.created,
    )
    # It stays true for ever; whether money is gone is another question.
    charge["disputed"] = True
    charge["twin_withdrawn"] = not test.dispute_is_inquiry
    work.save(CHARGE, charge)
    work.execute(
        "dispute",
        amount=charge["amount"],
        currency=charge["currency"],
        metadata=charge["metadata"],
        payment_intent=charge["payment_intent"],
        charge=charge["id"],
    )
    # The money goes when the dispute opens, not when it is lost.
    if not test.dispute_is_inquiry:
        _move(work, dispute, -dispute["amount"], _FEE)
    work.save(DISPUTE, dispute)
    work.emit("charge.dispute.created", dispute)
    if not test.dispute_is_inquiry:
        work.emit("charge.dispute.funds_withdrawn", dispute)


def answer_dispute(
    work: Work,
    dispute: Dispute,
    *,
    metadata: dict[str, str],
    evidence: Mapping[str, Json],
    submit: bool,
) -> None:
    """Describe a dispute, put evidence into it, and send that to the bank, which decides at once.

    Raises:
        ApiError: 400, there is evidence and the dispute is over.
    """
    if evidence:
        _check_open(dispute)
    before = dict(dispute)
    dispute["metadata"] = metadata
    if evidence:
        dispute["evidence"] = {**dispute["evidence"], **evidence}
        dispute["evidence_details"] = {**dispute["evidence_details"], "has_evidence": True}
    if submit and evidence:
        count = dispute["evidence_details"]["submission_count"]
        made = count + 1 if isinstance(count, int) else 1
        dispute["evidence_details"] = {**dispute["evidence_details"], "submission_count": made}
        inquiry = dispute["status"].startswith("warning")
        dispute["status"] = "warning_under_review" if inquiry else "under_review"
    work.save(DISPUTE, dispute)
    work.emit_change("charge.dispute.updated", dispute, before)
    # Magic words of Stripe's test mode; other text leaves the dispute under review for ever.
    said = dispute["evidence"].get("uncategorized_text")
    if evidence and submit and said in ("winning_evidence", "losing_evidence"):
        _end(work, dispute, won=said == "winning_evidence")


def close_dispute(work: Work, dispute: Dispute) -> None:
    """Accept a dispute: the money stays where it went.

    Raises:
        ApiError: 400, it is over already.
    """
    _check_open(dispute)
    _end(work, dispute, won=False)


def _end(work: Work, before: Dispute, *, won: bool) -> None:
    dispute = before.copy()
    if dispute["status"].startswith("warning"):
        dispute["status"] = "warning_closed"
    else:
        dispute["status"] = "won" if won else "lost"
    # An inquiry took nothing, so there is nothing to give back.
    reinstated = won and dispute["status"] == "won"
    if reinstated:
        _move(work, dispute, dispute["amount"], -_FEE)
        charge = work.get(CHARGE, dispute["charge"])
        charge["twin_withdrawn"] = False
        work.save(CHARGE, charge)
    work.save(DISPUTE, dispute)
    work.emit_change("charge.dispute.closed", dispute, before)
    if reinstated:
        work.emit("charge.dispute.funds_reinstated", dispute)


def _move(work: Work, dispute: Dispute, amount: int, fee: int) -> None:
    transaction_id = book_dispute(work, dispute["id"], amount, dispute["currency"], fee)
    shown: dict[str, Json] = dict(public(work.get(BALANCE_TRANSACTION, transaction_id)))  # type: ignore[arg-type] # a JSON object
    dispute["balance_transactions"] = [*dispute["balance_transactions"], shown]


def _check_open(dispute: Dispute) -> None:
    if dispute["status"] not in _OPEN:
        raise invalid(f"This dispute is over: its status is {dispute['status']}.")
