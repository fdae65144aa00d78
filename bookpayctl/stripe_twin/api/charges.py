"""/v1/charges: what PaymentIntents left behind, and charges of the older API without one."""

from typing import Literal

from bookpayctl.stripe_twin.api.answer import ApiAnswer, declined, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    FLAG,
    INTEGER,
    NEEDED_INTEGER,
    NEEDED_TEXT,
    SHIPPING,
    TEXT,
    Parameters,
    Specification,
    fields,
    text_of,
)
from bookpayctl.stripe_twin.api.sources import source_of
from bookpayctl.stripe_twin.errors import invalid
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import methods
from bookpayctl.stripe_twin.payments.accepting import check_descriptor
from bookpayctl.stripe_twin.payments.currencies import check_amount, check_currency
from bookpayctl.stripe_twin.payments.direct import (
    DirectDecline,
    capture_directly,
    charge_directly,
)
from bookpayctl.stripe_twin.resources.account_objects import Customer
from bookpayctl.stripe_twin.resources.kinds import CHARGE, CUSTOMER
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent, new_payment_intent
from bookpayctl.stripe_twin.resources.payment_method import PaymentMethod

_TEXTS = (
    *("description", "on_behalf_of", "receipt_email", "statement_descriptor"),
    *("statement_descriptor_suffix", "transfer_group"),
)
CREATE: Specification = {
    **dict.fromkeys(_TEXTS, TEXT),
    "description": text_of(40_000),
    "amount": NEEDED_INTEGER,
    "application_fee": INTEGER,
    "application_fee_amount": INTEGER,
    "capture": FLAG,
    "card": ANY,
    "currency": NEEDED_TEXT,
    "customer": TEXT,
    "destination": ANY,
    "expand": ARRAY,
    "metadata": ANY,
    "radar_options": fields("session"),
    "shipping": SHIPPING,
    "source": ANY,
    "transfer_data": fields("amount", "description", "destination"),
}
CAPTURE: Specification = {
    "amount": INTEGER,
    "application_fee": INTEGER,
    "application_fee_amount": INTEGER,
    "expand": ARRAY,
    "receipt_email": TEXT,
    "statement_descriptor": TEXT,
    "statement_descriptor_suffix": TEXT,
    "transfer_data": fields("amount"),
    "transfer_group": TEXT,
}
UPDATE: Specification = {
    "customer": TEXT,
    "description": text_of(40_000),
    "expand": ARRAY,
    "fraud_details": fields("user_report"),
    "metadata": ANY,
    "receipt_email": TEXT,
    "shipping": SHIPPING,
    "transfer_group": TEXT,
}
_DESCRIBING_TEXTS: tuple[Literal["description", "receipt_email", "transfer_group"], ...] = (
    *("description", "receipt_email", "transfer_group"),
)
RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = {
    **PAGING,
    **CREATED,
    "customer": TEXT,
    "payment_intent": TEXT,
    "transfer_group": TEXT,
}


def create(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Charge a card at once: a token, a card's details, or the customer's default."""
    currency = check_currency(parameters.needed("currency"))
    amount = parameters.integer("amount") or 0
    check_amount(amount, currency)
    customer = None
    if parameters.text("customer") is not None:
        customer = work.get(CUSTOMER, parameters.needed("customer"), "customer")
    card = _card(work, parameters, customer)
    # Only a carrier of what was said: the older API has no PaymentIntent, and this one is never
    # saved.
    described = new_payment_intent("", "", amount=amount, currency=currency, created=work.created)
    described["customer"] = None if customer is None else customer["id"]
    _describe(described, parameters)
    # Absent means true: the older API takes the money unless it is told not to.
    capture = not parameters.has("capture") or parameters.flag("capture")
    made = charge_directly(work, described, card, capture=capture)
    if isinstance(made, DirectDecline):
        return declined(work, made.error)
    return shown(made)


def capture(work: Work, parameters: Parameters, charge_id: str) -> ApiAnswer:
    """Take what was reserved."""
    charge = work.get(CHARGE, charge_id)
    _check_statement(parameters)
    if parameters.has("receipt_email"):
        charge["receipt_email"] = parameters.text("receipt_email")
    capture_directly(work, charge, parameters.integer("amount"))
    return shown(charge)


def retrieve(work: Work, _: Parameters, charge_id: str) -> ApiAnswer:
    """Show a charge."""
    return shown(work.get(CHARGE, charge_id))


def update(work: Work, parameters: Parameters, charge_id: str) -> ApiAnswer:
    """Describe a charge."""
    charge = work.get(CHARGE, charge_id)
    before = dict(charge)
    charge["metadata"] = parameters.metadata(charge["metadata"])
    for name in _DESCRIBING_TEXTS:
        if parameters.has(name):
            charge[name] = parameters.text(name)
    if parameters.has("shipping"):
        charge["shipping"] = parameters.json("shipping")
    if parameters.has("customer"):
        charge["customer"] = work.get(CUSTOMER, parameters.needed("customer"), "customer")["id"]
    report = parameters.branch("fraud_details").text("user_report")
    if report is not None:
        charge["fraud_details"] = {"user_report": report}
    work.save(CHARGE, charge)
    work.emit_change("charge.updated", charge, before)
    return shown(charge)


def list_page(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Charges, newest first."""
    filters = ("customer", "payment_intent")
    group = parameters.text("transfer_group")
    page = page_of_objects(
        work,
        parameters,
        "charge",
        "/v1/charges",
        filters=filters,
        equal={} if group is None else {"transfer_group": group},
    )
    return ApiAnswer(200, page)


def _card(work: Work, parameters: Parameters, customer: Customer | None) -> PaymentMethod:
    if parameters.has("source"):
        card = source_of(work, parameters)
        owner = card["customer"]
        # A card that was given to a customer can be charged for that customer only.
        if owner is not None and (customer is None or owner != customer["id"]):
            raise invalid(
                f"The source {card['id']} belongs to a customer; send that customer too.",
                param="source",
            )
        return card
    if customer is None:
        raise invalid("Must provide source or customer.")
    if customer["default_source"] is None:
        raise invalid(
            "Cannot charge a customer that has no active card",
            code="missing",
            param="card",
        )
    return methods.from_source(work, customer["default_source"])


def _check_statement(parameters: Parameters) -> None:
    # The older API takes a whole descriptor for cards, too.
    for name, least in (("statement_descriptor", 5), ("statement_descriptor_suffix", 1)):
        text = parameters.text(name)
        if text is not None:
            check_descriptor(name, text, least)


def _describe(described: PaymentIntent, parameters: Parameters) -> None:
    _check_statement(parameters)
    described["metadata"] = parameters.metadata({})
    described["description"] = parameters.text("description")
    described["receipt_email"] = parameters.text("receipt_email")
    described["statement_descriptor"] = parameters.text("statement_descriptor")
    described["statement_descriptor_suffix"] = parameters.text("statement_descriptor_suffix")
    described["transfer_group"] = parameters.text("transfer_group")
    described["shipping"] = parameters.json("shipping")
