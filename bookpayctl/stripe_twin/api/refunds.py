"""/v1/refunds."""

from bookpayctl.stripe_twin.api.answer import ApiAnswer, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    FLAG,
    INTEGER,
    TEXT,
    Parameters,
    Specification,
    choice,
)
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments.refunding import (
    RefundInput,
    cancel_refund,
    refund,
    tell_of_refund,
)
from bookpayctl.stripe_twin.resources.kinds import REFUND

CREATE: Specification = {
    "amount": INTEGER,
    "charge": TEXT,
    "currency": TEXT,
    "customer": TEXT,
    "expand": ARRAY,
    "instructions_email": TEXT,
    "metadata": ANY,
    "origin": choice("customer_balance"),
    "payment_intent": TEXT,
    "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
    "refund_application_fee": FLAG,
    "reverse_transfer": FLAG,
}
UPDATE: Specification = {"metadata": ANY, "expand": ARRAY}
RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = {**PAGING, **CREATED, "charge": TEXT, "payment_intent": TEXT}


def create(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Give money back."""
    wanted = RefundInput(
        charge=parameters.text("charge"),
        payment_intent=parameters.text("payment_intent"),
        amount=parameters.integer("amount"),
        reason=parameters.text("reason"),
        metadata=parameters.metadata({}),
    )
    return shown(refund(work, wanted))


def retrieve(work: Work, _: Parameters, refund_id: str) -> ApiAnswer:
    """Show a refund."""
    return shown(work.get(REFUND, refund_id))


def update(work: Work, parameters: Parameters, refund_id: str) -> ApiAnswer:
    """Change a refund's metadata, the only thing of it that can be changed."""
    made = work.get(REFUND, refund_id)
    before = dict(made)
    made["metadata"] = parameters.metadata(made["metadata"])
    work.save(REFUND, made)
    # An update that changes nothing is no event.
    if made["metadata"] != before["metadata"]:
        tell_of_refund(work, made, before)
    return shown(made)


def cancel(work: Work, _: Parameters, refund_id: str) -> ApiAnswer:
    """Stop a refund that has not left yet."""
    made = work.get(REFUND, refund_id)
    cancel_refund(work, made)
    return shown(made)


def list_page(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Refunds, newest first."""
    filters = ("charge", "payment_intent")
    return ApiAnswer(
        200, page_of_objects(work, parameters, "refund", "/v1/refunds", filters=filters)
    )
