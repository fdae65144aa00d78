"""/v1/payment_methods."""

from bookpayctl.stripe_twin.api.answer import Answer, shown
from bookpayctl.stripe_twin.api.listing import PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    HASH,
    NEEDED_TEXT,
    TEXT,
    Parameters,
    Specification,
)
from bookpayctl.stripe_twin.errors import ApiError, invalid
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import methods
from bookpayctl.stripe_twin.payments.methods import MethodInput
from bookpayctl.stripe_twin.resources.kinds import CUSTOMER, PAYMENT_METHOD
from bookpayctl.stripe_twin.resources.payment_method import PaymentMethod

CREATE: Specification = {
    "type": NEEDED_TEXT,
    "allow_redisplay": TEXT,
    "billing_details": HASH,
    "card": HASH,
    "customer": TEXT,
    "expand": ARRAY,
    "metadata": ANY,
    "radar_options": HASH,
    "sepa_debit": HASH,
    "us_bank_account": HASH,
}
UPDATE: Specification = {
    "allow_redisplay": TEXT,
    "billing_details": HASH,
    "card": HASH,
    "expand": ARRAY,
    "metadata": ANY,
    "us_bank_account": HASH,
}
ATTACH: Specification = {"customer": NEEDED_TEXT, "customer_account": TEXT, "expand": ARRAY}
RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = {
    **PAGING,
    "allow_redisplay": TEXT,
    "customer": TEXT,
    "customer_account": TEXT,
    "type": TEXT,
}


def create(work: Work, parameters: Parameters, _: str) -> Answer:
    """Make a payment method from its details."""
    kind = parameters.needed("type")
    details = parameters.branch(kind)
    number = details.text("number") or details.text("account_number") or details.text("iban")
    method = methods.from_input(work, MethodInput(kind, number, details.text("token")))
    _describe(method, parameters)
    work.save(PAYMENT_METHOD, method)
    return shown(method)


def retrieve(work: Work, _: Parameters, method_id: str) -> Answer:
    """Show a payment method."""
    return shown(work.get(PAYMENT_METHOD, method_id, "payment_method"))


def update(work: Work, parameters: Parameters, method_id: str) -> Answer:
    """Change what may be changed of a payment method."""
    method = work.get(PAYMENT_METHOD, method_id, "payment_method")
    _describe(method, parameters)
    work.save(PAYMENT_METHOD, method)
    work.emit("payment_method.updated", method)
    return shown(method)


def attach(work: Work, parameters: Parameters, method_id: str) -> Answer:
    """Give a payment method to a customer; a test token becomes a method of its own first."""
    method = methods.resolve(work, method_id)
    customer = work.get(CUSTOMER, parameters.needed("customer"), "customer")
    if method["customer"] not in (None, customer["id"]):
        raise invalid("The payment method you provided has already been attached to a customer.")
    if methods.declines_attachment(method):
        raise ApiError(
            402,
            "card_error",
            "Your card was declined.",
            code="card_declined",
            decline_code="generic_decline",
        )
    method["customer"] = customer["id"]
    work.save(PAYMENT_METHOD, method)
    work.emit("payment_method.attached", method)
    return shown(method)


def detach(work: Work, _: Parameters, method_id: str) -> Answer:
    """Take a payment method from its customer."""
    method = work.get(PAYMENT_METHOD, method_id, "payment_method")
    if method["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible."
        )
    before = method["customer"]
    method["customer"] = None
    work.save(PAYMENT_METHOD, method)
    work.emit("payment_method.detached", method, {"customer": before})
    return shown(method)


def list_page(work: Work, parameters: Parameters, _: str) -> Answer:
    """Payment methods, newest first."""
    kind = parameters.text("type")
    page = page_of_objects(
        work,
        parameters,
        "payment_method",
        "/v1/payment_methods",
        filters=("customer",),
        only=("type", kind) if kind is not None else None,
    )
    return Answer(200, page)


def _describe(method: PaymentMethod, parameters: Parameters) -> None:
    method["metadata"] = parameters.metadata(method["metadata"])
    details = parameters.json("billing_details")
    if isinstance(details, dict):
        merged = {**method["billing_details"], **details}
        method["billing_details"] = merged
