"""A customer's cash balance, and the test helper with which a transfer arrives."""

from bookpayctl.stripe_twin.api.answer import ApiAnswer, shown
from bookpayctl.stripe_twin.api.customers import living
from bookpayctl.stripe_twin.api.listing import PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ARRAY,
    NEEDED_INTEGER,
    NEEDED_TEXT,
    TEXT,
    Parameters,
    Specification,
)
from bookpayctl.stripe_twin.errors import no_such
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments.funding import fund
from bookpayctl.stripe_twin.resources.cash import cash_balance
from bookpayctl.stripe_twin.resources.kinds import CASH_TRANSACTION

RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = PAGING
FUND: Specification = {
    "amount": NEEDED_INTEGER,
    "currency": NEEDED_TEXT,
    "expand": ARRAY,
    "reference": TEXT,
}


def retrieve(work: Work, _: Parameters, customer_id: str) -> ApiAnswer:
    """What a customer has sent that belongs to no payment."""
    customer = living(work, customer_id)
    return ApiAnswer(200, cash_balance(customer_id, customer.get("twin_cash", {})))


def list_page(work: Work, parameters: Parameters, customer_id: str) -> ApiAnswer:
    """What changed a customer's cash balance, newest first."""
    living(work, customer_id)
    # The path says whose; the filter of the list does the rest.
    parameters.tree["customer"] = customer_id
    url = f"/v1/customers/{customer_id}/cash_balance_transactions"
    kind = CASH_TRANSACTION.name
    return ApiAnswer(200, page_of_objects(work, parameters, kind, url, filters=("customer",)))


def retrieve_transaction(work: Work, __: Parameters, ids: str) -> ApiAnswer:
    """One change of a customer's cash balance."""
    customer_id, _, transaction_id = ids.partition("/")
    living(work, customer_id)
    found = work.get(CASH_TRANSACTION, transaction_id, "transaction")
    if found["customer"] != customer_id:
        raise no_such(CASH_TRANSACTION.name, transaction_id, "transaction")
    return shown(found)


def fund_balance(work: Work, parameters: Parameters, customer_id: str) -> ApiAnswer:
    """A transfer arrives."""
    arrived = fund(
        work,
        living(work, customer_id),
        parameters.integer("amount") or 0,
        parameters.needed("currency"),
        parameters.text("reference"),
    )
    return shown(arrived)
