"""/v1/customers/ID/sources: cards of the older API. Each is a payment method under another name."""

from bookpayctl.stripe_twin.api.answer import ApiAnswer
from bookpayctl.stripe_twin.api.listing import PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    TEXT,
    Accepts,
    Parameters,
    Specification,
)
from bookpayctl.stripe_twin.errors import missing_parameter, no_such
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import methods
from bookpayctl.stripe_twin.resources.account_objects import Customer
from bookpayctl.stripe_twin.resources.kinds import CUSTOMER, PAYMENT_METHOD
from bookpayctl.stripe_twin.resources.payment_method import PaymentMethod, as_source

_ADDRESS = tuple(
    f"address_{part}" for part in ("city", "country", "line1", "line2", "state", "zip")
)
CREATE: Specification = {
    "expand": ARRAY,
    "metadata": ANY,
    "source": Accepts("any", required=True),
    "validate": ANY,
}
UPDATE: Specification = {
    **dict.fromkeys((*_ADDRESS, "exp_month", "exp_year", "name"), TEXT),
    **dict.fromkeys(("account_holder_name", "account_holder_type", "owner", "metadata"), ANY),
    "expand": ARRAY,
}
LIST: Specification = {**PAGING, "object": TEXT}
RETRIEVE: Specification = {"expand": ARRAY}


def source_of(work: Work, parameters: Parameters) -> PaymentMethod:
    """The card in `source`: a token, an id, or a card's details."""
    name = parameters.text("source")
    if name is not None:
        return methods.from_source(work, name)
    details = parameters.branch("source")
    if not details.tree:
        raise missing_parameter("source")
    return methods.from_number(work, details.text("number"), "card")


def give(work: Work, customer: Customer, card: PaymentMethod) -> None:
    """Make a card one of a customer's, the default one if it is the first; saves both."""
    card["customer"] = customer["id"]
    work.save(PAYMENT_METHOD, card)
    before = dict(customer)
    # The first card of a customer becomes the one that is charged when none is named.
    if customer["default_source"] is None:
        customer["default_source"] = card["id"]
        work.save(CUSTOMER, customer)
    work.emit("customer.source.created", as_source(card))
    if before["default_source"] != customer["default_source"]:
        work.emit_change("customer.updated", customer, before)


def create(work: Work, parameters: Parameters, customer_id: str) -> ApiAnswer:
    """Give a customer another card."""
    customer = work.get(CUSTOMER, customer_id, "customer")
    card = source_of(work, parameters)
    methods.refuse_attachment(card)
    card["metadata"] = parameters.metadata(card["metadata"])
    give(work, customer, card)
    return ApiAnswer(200, as_source(card))


def retrieve(work: Work, _: Parameters, ids: str) -> ApiAnswer:
    """Show one of a customer's cards."""
    return ApiAnswer(200, as_source(_own(work, ids)))


def update(work: Work, parameters: Parameters, ids: str) -> ApiAnswer:
    """Change what may be changed of a card."""
    card = _own(work, ids)
    before = as_source(card)
    card["metadata"] = parameters.metadata(card["metadata"])
    if parameters.has("name"):
        card["billing_details"] = {**card["billing_details"], "name": parameters.text("name")}
    work.save(PAYMENT_METHOD, card)
    after = as_source(card)
    work.emit_change("customer.source.updated", after, before)
    return ApiAnswer(200, after)


def delete(work: Work, _: Parameters, ids: str) -> ApiAnswer:
    """Take a card from its customer."""
    card = _own(work, ids)
    customer = work.get(CUSTOMER, card["customer"] or "", "customer")
    work.emit("customer.source.deleted", as_source(card))
    # Kept without an owner: charges of the past still name it.
    card["customer"] = None
    work.save(PAYMENT_METHOD, card)
    if customer["default_source"] == card["id"]:
        customer["default_source"] = None
        work.save(CUSTOMER, customer)
    return ApiAnswer(200, {"id": card["id"], "object": "card", "deleted": True})


def list_page(work: Work, parameters: Parameters, customer_id: str) -> ApiAnswer:
    """A customer's cards, newest first."""
    work.get(CUSTOMER, customer_id, "customer")
    parameters.tree["customer"] = customer_id
    page = page_of_objects(
        work,
        parameters,
        "payment_method",
        f"/v1/customers/{customer_id}/sources",
        filters=("customer",),
        # Methods of the newer API belong to the same customer and are no sources.
        id_prefix="card_",
        show=lambda card: as_source(card),  # type: ignore[arg-type] # a stored payment method
    )
    return ApiAnswer(200, page)


def _own(work: Work, ids: str) -> PaymentMethod:
    customer_id, _, card_id = ids.partition("/")
    work.get(CUSTOMER, customer_id, "customer")
    card = work.find(PAYMENT_METHOD, card_id) if card_id.startswith("card_") else None
    if card is None or card["customer"] != customer_id:
        raise no_such("source", card_id, "id")
    return card
