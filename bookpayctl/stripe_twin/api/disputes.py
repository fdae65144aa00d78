"""/v1/disputes."""

from bookpayctl.stripe_twin.api.answer import ApiAnswer, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    FLAG,
    TEXT,
    Parameters,
    Specification,
    fields,
)
from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments.disputes import answer_dispute, close_dispute
from bookpayctl.stripe_twin.resources.account_objects import EVIDENCE
from bookpayctl.stripe_twin.resources.kinds import DISPUTE

RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = {**PAGING, **CREATED, "charge": TEXT, "payment_intent": TEXT}
UPDATE: Specification = {
    "evidence": fields(*EVIDENCE, "enhanced_evidence"),
    "expand": ARRAY,
    "metadata": ANY,
    "submit": FLAG,
}


def retrieve(work: Work, _: Parameters, dispute_id: str) -> ApiAnswer:
    """Show a dispute."""
    return shown(work.get(DISPUTE, dispute_id))


def update(work: Work, parameters: Parameters, dispute_id: str) -> ApiAnswer:
    """Answer a dispute; evidence goes to the bank unless `submit=false`."""
    dispute = work.get(DISPUTE, dispute_id)
    said = parameters.json("evidence")
    evidence: dict[str, Json] = said if isinstance(said, dict) else {}
    answer_dispute(
        work,
        dispute,
        metadata=parameters.metadata(dispute["metadata"]),
        evidence=evidence,
        submit=not parameters.has("submit") or parameters.flag("submit"),
    )
    return shown(work.get(DISPUTE, dispute_id))


def close(work: Work, _: Parameters, dispute_id: str) -> ApiAnswer:
    """Accept a dispute."""
    close_dispute(work, work.get(DISPUTE, dispute_id))
    return shown(work.get(DISPUTE, dispute_id))


def list_page(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Disputes, newest first."""
    filters = ("charge", "payment_intent")
    return ApiAnswer(
        200, page_of_objects(work, parameters, "dispute", "/v1/disputes", filters=filters)
    )
