"""/v1/customers."""

from typing import cast

from bookpayctl.stripe_twin.api.answer import Answer, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    TEXT,
    Parameters,
    Specification,
)
from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.errors import no_such
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import methods
from bookpayctl.stripe_twin.resources.account_objects import Customer
from bookpayctl.stripe_twin.resources.kinds import CUSTOMER, PAYMENT_METHOD

_TEXTS = ("description", "email", "name", "phone")
CREATE: Specification = {
    **dict.fromkeys((*_TEXTS, "source", "invoice_prefix", "payment_method"), TEXT),
    **dict.fromkeys(
        (
            *("address", "balance", "business_name", "cash_balance", "individual_name"),
            *("invoice_settings", "metadata", "next_invoice_sequence", "preferred_locales"),
            *("shipping", "tax", "tax_exempt", "tax_id_data", "test_clock", "validate"),
        ),
        ANY,
    ),
    "expand": ARRAY,
}
UPDATE = CREATE
RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = {**PAGING, **CREATED, "email": TEXT, "test_clock": TEXT}
LIST_PAYMENT_METHODS: Specification = {**PAGING, "type": TEXT, "allow_redisplay": TEXT}


def create(work: Work, parameters: Parameters, _: str) -> Answer:
    """Make a customer."""
    customer: Customer = {
        "id": work.mint(CUSTOMER),
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
        "invoice_prefix": work.around.mint.chance(8).upper(),
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
        method = methods.resolve(work, method_name)
        method["customer"] = customer["id"]
        work.save(PAYMENT_METHOD, method)
    work.save(CUSTOMER, customer)
    work.emit("customer.created", customer)
    return shown(customer)


def retrieve(work: Work, _: Parameters, customer_id: str) -> Answer:
    """Show a customer, or that it was deleted."""
    return shown(work.get(CUSTOMER, customer_id))


def update(work: Work, parameters: Parameters, customer_id: str) -> Answer:
    """Change a customer."""
    customer = _living(work, customer_id)
    before = cast(dict[str, Json], dict(customer))
    _describe(customer, parameters)
    after = cast(dict[str, Json], dict(customer))
    work.save(CUSTOMER, customer)
    changed = {name: value for name, value in before.items() if after[name] != value}
    work.emit("customer.updated", customer, changed)
    return shown(customer)


def delete(work: Work, _: Parameters, customer_id: str) -> Answer:
    """Delete a customer; the id stays known."""
    customer = _living(work, customer_id)
    work.emit("customer.deleted", customer)
    gone = cast(Customer, {"id": customer_id, "object": "customer", "deleted": True})
    work.save(CUSTOMER, gone)
    return shown({"id": customer_id, "object": "customer", "deleted": True})


def list_page(work: Work, parameters: Parameters, _: str) -> Answer:
    """Customers, newest first."""
    email = parameters.text("email")
    only = ("email", email) if email is not None else None
    page = page_of_objects(work, parameters, "customer", "/v1/customers", only=only)
    return Answer(200, page)


def list_payment_methods(work: Work, parameters: Parameters, customer_id: str) -> Answer:
    """A customer's payment methods, newest first."""
    _living(work, customer_id)
    parameters.tree["customer"] = customer_id
    kind = parameters.text("type")
    page = page_of_objects(
        work,
        parameters,
        "payment_method",
        f"/v1/customers/{customer_id}/payment_methods",
        filters=("customer",),
        only=("type", kind) if kind is not None else None,
    )
    return Answer(200, page)


def _living(work: Work, customer_id: str) -> Customer:
    customer = work.get(CUSTOMER, customer_id)
    if "deleted" in customer:
        raise no_such("customer", customer_id, "id")
    return customer


def _describe(customer: Customer, parameters: Parameters) -> None:
    customer["metadata"] = parameters.metadata(customer["metadata"])
    if parameters.has("description"):
        customer["description"] = parameters.text("description")
    if parameters.has("email"):
        customer["email"] = parameters.text("email")
    if parameters.has("name"):
        customer["name"] = parameters.text("name")
    if parameters.has("phone"):
        customer["phone"] = parameters.text("phone")
    if parameters.has("address"):
        customer["address"] = parameters.json("address")
    if parameters.has("shipping"):
        customer["shipping"] = parameters.json("shipping")
