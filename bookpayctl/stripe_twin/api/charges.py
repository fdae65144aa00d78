"""/v1/charges: reading and describing; charges are made through PaymentIntents."""

from bookpayctl.stripe_twin.api.answer import Answer, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    HASH,
    TEXT,
    Parameters,
    Specification,
)
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources.kinds import CHARGE, DISPUTE

UPDATE: Specification = {
    "customer": TEXT,
    "description": TEXT,
    "expand": ARRAY,
    "fraud_details": HASH,
    "metadata": ANY,
    "receipt_email": TEXT,
    "shipping": HASH,
    "transfer_group": TEXT,
}
RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = {
    **PAGING,
    **CREATED,
    "customer": TEXT,
    "payment_intent": TEXT,
    "transfer_group": TEXT,
}
DISPUTES: Specification = {**PAGING, **CREATED, "charge": TEXT, "payment_intent": TEXT}


def retrieve(work: Work, _: Parameters, charge_id: str) -> Answer:
    """Show a charge."""
    return shown(work.get(CHARGE, charge_id))


def update(work: Work, parameters: Parameters, charge_id: str) -> Answer:
    """Describe a charge."""
    charge = work.get(CHARGE, charge_id)
    charge["metadata"] = parameters.metadata(charge["metadata"])
    if parameters.has("description"):
        charge["description"] = parameters.text("description")
    if parameters.has("receipt_email"):
        charge["receipt_email"] = parameters.text("receipt_email")
    work.save(CHARGE, charge)
    work.emit("charge.updated", charge)
    return shown(charge)


def list_page(work: Work, parameters: Parameters, _: str) -> Answer:
    """Charges, newest first."""
    filters = ("customer", "payment_intent")
    return Answer(200, page_of_objects(work, parameters, "charge", "/v1/charges", filters=filters))


def retrieve_dispute(work: Work, _: Parameters, dispute_id: str) -> Answer:
    """Show a dispute."""
    return shown(work.get(DISPUTE, dispute_id))


def list_disputes(work: Work, parameters: Parameters, _: str) -> Answer:
    """Disputes, newest first."""
    filters = ("charge", "payment_intent")
    return Answer(
        200, page_of_objects(work, parameters, "dispute", "/v1/disputes", filters=filters)
    )
