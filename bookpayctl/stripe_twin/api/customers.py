"""/v1/customers."""

from typing import Literal

from bookpayctl.stripe_twin.api.answer import ApiAnswer, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ADDRESS,
    ANY,
    ARRAY,
    TEXT,
    Parameters,
    Specification,
    choice,
    fields,
)
from bookpayctl.stripe_twin.api.sources import give, source_of
from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.errors import no_such
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import methods
from bookpayctl.stripe_twin.resources.account_objects import Customer, Deleted
from bookpayctl.stripe_twin.resources.kinds import (
    CUSTOMER,
    DELETED_CUSTOMER,
    PAYMENT_METHOD,
)

_TEXTS: tuple[Literal["description", "email", "name", "phone"], ...] = (
    *("description", "email", "name", "phone"),
)
_DESCRIBING: Specification = {
    **dict.fromkeys((*_TEXTS, "invoice_prefix"), TEXT),
    **dict.fromkeys(
        (
            *("balance", "business_name", "cash_balance", "individual_name"),
            *("invoice_settings", "metadata", "next_invoice_sequence", "preferred_locales"),
            *("source", "tax", "validate"),
        ),
        ANY,
    ),
    "address": ADDRESS,
    "expand": ARRAY,
    "shipping": fields("address", "name", "phone"),
    "tax_exempt": choice("exempt", "none", "reverse"),
}
CREATE: Specification = {
    **_DESCRIBING,
    "payment_method": TEXT,
    "tax_id_data": ARRAY,
    "test_clock": TEXT,
}
UPDATE: Specification = {
    **_DESCRIBING,
    **dict.fromkeys(("bank_account", "card"), ANY),
    **dict.fromkeys(("default_alipay_account", "default_bank_account", "default_card"), TEXT),
    "default_source": TEXT,
}
RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = {**PAGING, **CREATED, "email": TEXT, "test_clock": TEXT}
LIST_PAYMENT_METHODS: Specification = {
    **PAGING,
    "allow_redisplay": choice("always", "limited", "unspecified"),
    "type": TEXT,
}


def create(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Make a customer."""
    customer: Customer = {
        "id": work.new_id(CUSTOMER),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": work.created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": work.context.ids.random_hex(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    _describe(customer, parameters)
    method_name = parameters.text("payment_method")
    if method_name is not None:
        # Attached before the customer exists on disk: both are in one unit of work, so neither is
        # there without the other.
        method = methods.resolve(work, method_name)
        methods.refuse_attachment(method)
        method["customer"] = customer["id"]
        work.save(PAYMENT_METHOD, method)
    card = source_of(work, parameters) if parameters.has("source") else None
    if card is not None:
        methods.refuse_attachment(card)
        customer["default_source"] = card["id"]
    work.save(CUSTOMER, customer)
    work.emit("customer.created", customer)
    if method_name is not None:
        work.emit("payment_method.attached", method)
    if card is not None:
        give(work, customer, card)
    return shown(customer)


def retrieve(work: Work, _: Parameters, customer_id: str) -> ApiAnswer:
    """Show a customer, or that it was deleted."""
    return shown(work.get(CUSTOMER, customer_id))


def update(work: Work, parameters: Parameters, customer_id: str) -> ApiAnswer:
    """Change a customer."""
    customer = living(work, customer_id)
    before = dict(customer)
    _describe(customer, parameters)
    if parameters.has("source"):
        card = source_of(work, parameters)
        methods.refuse_attachment(card)
        customer["default_source"] = card["id"]
        give(work, customer, card)
    default = parameters.text("default_source")
    if default is not None:
        customer["default_source"] = methods.from_source(work, default)["id"]
    work.save(CUSTOMER, customer)
    work.emit_change("customer.updated", customer, before)
    return shown(customer)


def delete(work: Work, _: Parameters, customer_id: str) -> ApiAnswer:
    """Delete a customer; the id stays known."""
    customer = living(work, customer_id)
    work.emit("customer.deleted", customer)
    # From now on a retrieve answers `deleted: true`, as at Stripe, and not a 404.
    gone: Deleted = {"id": customer_id, "object": "customer", "deleted": True}
    work.save(DELETED_CUSTOMER, gone)
    return shown(gone)


def list_page(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Customers, newest first."""
    equal = {"email": parameters.text("email")}
    page = page_of_objects(work, parameters, "customer", "/v1/customers", equal=equal)
    return ApiAnswer(200, page)


def list_payment_methods(work: Work, parameters: Parameters, customer_id: str) -> ApiAnswer:
    """A customer's payment methods, newest first."""
    living(work, customer_id)
    # The path says whose; the filter of the list does the rest.
    parameters.tree["customer"] = customer_id
    page = page_of_objects(
        work,
        parameters,
        "payment_method",
        f"/v1/customers/{customer_id}/payment_methods",
        filters=("customer",),
        equal={
            "type": parameters.text("type"),
            "allow_redisplay": parameters.text("allow_redisplay"),
        },
    )
    return ApiAnswer(200, page)


def retrieve_payment_method(work: Work, __: Parameters, ids: str) -> ApiAnswer:
    """One of a customer's payment methods."""
    customer_id, _, method_id = ids.partition("/")
    living(work, customer_id)
    method = work.get(PAYMENT_METHOD, method_id, "payment_method")
    if method["customer"] != customer_id:
        raise no_such("PaymentMethod", method_id, "payment_method")
    return shown(method)


def living(work: Work, customer_id: str) -> Customer:
    customer = work.get(CUSTOMER, customer_id)
    # To be shown is all that is left to a deleted customer; everything else is a 404.
    if "deleted" in customer:
        raise no_such("customer", customer_id, "id")
    return customer


def _describe(customer: Customer, parameters: Parameters) -> None:
    customer["metadata"] = parameters.metadata(customer["metadata"])
    for name in _TEXTS:
        if parameters.has(name):
            customer[name] = parameters.text(name)
    if parameters.has("address"):
        customer["address"] = _address(parameters)
    if parameters.has("preferred_locales"):
        customer["preferred_locales"] = list(parameters.texts("preferred_locales") or [])
    exempt = parameters.text("tax_exempt")
    if exempt is not None:
        customer["tax_exempt"] = exempt
    settings = parameters.branch("invoice_settings")
    if settings.has("default_payment_method"):
        customer["invoice_settings"] = {
            **customer["invoice_settings"],
            "default_payment_method": settings.text("default_payment_method"),
        }
    if parameters.has("shipping"):
        customer["shipping"] = parameters.json("shipping")


def _address(parameters: Parameters) -> Json:
    """An address has all its fields, null where nothing was said; unset by an empty value."""
    said = parameters.branch("address")
    return {name: said.text(name) for name in ADDRESS.inside} if said.tree else None
