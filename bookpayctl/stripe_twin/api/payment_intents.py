"""/v1/payment_intents."""

from typing import Literal

from bookpayctl.stripe_twin.api.answer import ApiAnswer, declined, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    FLAG,
    HASH,
    INTEGER,
    NEEDED_INTEGER,
    NEEDED_TEXT,
    SHIPPING,
    TEXT,
    Parameters,
    Specification,
    choice,
    fields,
    text_of,
)
from bookpayctl.stripe_twin.api.payment_methods import METHOD_DATA
from bookpayctl.stripe_twin.errors import invalid
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import intents, methods
from bookpayctl.stripe_twin.payments.accepting import (
    automatic_types,
    check_descriptors,
    check_types,
)
from bookpayctl.stripe_twin.payments.charging import attempt
from bookpayctl.stripe_twin.payments.currencies import check_amount, check_currency
from bookpayctl.stripe_twin.payments.methods import MethodInput
from bookpayctl.stripe_twin.payments.states import refusal
from bookpayctl.stripe_twin.payments.transfers import check_funding
from bookpayctl.stripe_twin.resources.kinds import CUSTOMER, PAYMENT_INTENT, PAYMENT_METHOD, public
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent, new_payment_intent
from bookpayctl.stripe_twin.resources.payment_method import PaymentMethod

_URL = "/v1/payment_intents"
_AMOUNT_DETAILS = fields(
    *("discount_amount", "enforce_arithmetic_validation", "line_items", "shipping", "surcharge"),
    *("tax", "tip"),
)
_CAPTURE_METHODS = choice("automatic", "automatic_async", "manual")

# What every call that touches the payment accepts. Some of it is taken and not acted upon:
# docs/stripe-twin.md says which.
_PAYMENT: Specification = {
    "allowed_payment_method_types": ARRAY,
    "amount_details": _AMOUNT_DETAILS,
    "capture_method": _CAPTURE_METHODS,
    "excluded_payment_method_types": ANY,
    "expand": ARRAY,
    "hooks": HASH,
    "payment_details": ANY,
    "payment_method": TEXT,
    "payment_method_data": METHOD_DATA,
    "payment_method_options": ANY,
    "payment_method_types": ARRAY,
    "receipt_email": TEXT,
    "setup_future_usage": choice("off_session", "on_session"),
    "shipping": SHIPPING,
}
# Accepted wherever a call may confirm, that is on create and on confirm.
_CONFIRMING: Specification = {
    "client_secret": TEXT,
    "confirmation_token": TEXT,
    "error_on_requires_action": FLAG,
    "mandate": TEXT,
    "mandate_data": fields("customer_acceptance"),
    "off_session": ANY,
    "radar_options": fields("session"),
    "return_url": TEXT,
    "use_stripe_sdk": FLAG,
}
_DESCRIBING: Specification = {
    "application_fee_amount": ANY,
    "customer": TEXT,
    "customer_account": TEXT,
    "description": text_of(1_000),
    "metadata": ANY,
    "payment_method_configuration": TEXT,
    "statement_descriptor": TEXT,
    "statement_descriptor_suffix": TEXT,
    "transfer_data": fields("amount", "description", "destination"),
    "transfer_group": TEXT,
}
# Texts that are kept as they come: said again they are replaced, said empty they are unset.
_DESCRIBING_TEXTS: tuple[
    Literal[
        "description",
        "receipt_email",
        "setup_future_usage",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    ],
    ...,
] = (
    *("description", "receipt_email", "setup_future_usage", "statement_descriptor"),
    *("statement_descriptor_suffix", "transfer_group"),
)
CREATE: Specification = {
    **_PAYMENT,
    **_CONFIRMING,
    **_DESCRIBING,
    "amount": NEEDED_INTEGER,
    "currency": NEEDED_TEXT,
    "automatic_payment_methods": fields("allow_redirects", "enabled"),
    "confirm": FLAG,
    "confirmation_method": choice("automatic", "manual"),
    "on_behalf_of": TEXT,
}
UPDATE: Specification = {**_PAYMENT, **_DESCRIBING, "amount": INTEGER, "currency": TEXT}
CONFIRM: Specification = {**_PAYMENT, **_CONFIRMING, "amount_to_confirm": INTEGER}
CAPTURE: Specification = {
    "amount_details": _AMOUNT_DETAILS,
    "amount_to_capture": INTEGER,
    "application_fee_amount": INTEGER,
    "expand": ARRAY,
    "final_capture": FLAG,
    "hooks": HASH,
    "metadata": ANY,
    "payment_details": ANY,
    "statement_descriptor": TEXT,
    "statement_descriptor_suffix": TEXT,
    "transfer_data": fields("amount"),
}
CANCEL: Specification = {
    "cancellation_reason": choice("duplicate", "fraudulent", "requested_by_customer", "abandoned"),
    "expand": ARRAY,
}
RETRIEVE: Specification = {"client_secret": TEXT, "expand": ARRAY}
LIST: Specification = {**PAGING, **CREATED, "customer": TEXT, "customer_account": TEXT}


def create(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Make a PaymentIntent and, with `confirm=true`, try to take the money at once."""
    currency = check_currency(parameters.needed("currency"))
    amount = parameters.integer("amount") or 0
    check_amount(amount, currency)
    intent_id = work.new_id(PAYMENT_INTENT)
    # Begins with the id, as Stripe's does.
    secret = f"{intent_id}_secret_{work.context.ids.random_hex(25)}"
    intent = new_payment_intent(
        intent_id, secret, amount=amount, currency=currency, created=work.created
    )
    intent["confirmation_method"] = parameters.text("confirmation_method") or "automatic"
    # A list of types of one's own switches the automatic ones off, and with them the need of a
    # return_url.
    types = parameters.texts("payment_method_types")
    if types:
        check_types(types, currency)
        intent["payment_method_types"] = types
    else:
        _accept_automatically(intent, parameters)
    confirming = parameters.flag("confirm")
    if confirming:
        _check_return_url(intent, parameters)
    method = _describe(work, intent, parameters)
    if method is None:
        work.save(PAYMENT_INTENT, intent)
        work.emit("payment_intent.created", intent)
        if confirming:
            raise _nothing_to_charge(intent)
        return shown(intent)
    if not confirming:
        intent["payment_method"] = method["id"]
        intent["status"] = "requires_confirmation"
    work.emit("payment_intent.created", intent)
    if confirming:
        return _attempt(work, intent, method, parameters)
    work.save(PAYMENT_INTENT, intent)
    return shown(intent)


def retrieve(work: Work, _: Parameters, intent_id: str) -> ApiAnswer:
    """Show a PaymentIntent."""
    return shown(work.get(PAYMENT_INTENT, intent_id, "intent"))


def update(work: Work, parameters: Parameters, intent_id: str) -> ApiAnswer:
    """Change a PaymentIntent that has not been paid."""
    intent = work.get(PAYMENT_INTENT, intent_id, "intent")
    # Metadata and description may change in any state; the rest only before it is paid.
    if set(parameters.tree) - {"metadata", "description", "expand"}:
        refused = refusal("update", intent, method_kind=None)
        if refused is not None:
            raise refused
    if parameters.has("currency"):
        intent["currency"] = check_currency(parameters.needed("currency"))
    amount = parameters.integer("amount")
    if amount is not None:
        intent["amount"] = amount
    if intent.get("twin_funded", 0) and {"amount", "currency", "customer"} & set(parameters.tree):
        raise invalid(
            "A PaymentIntent that is partially funded keeps its amount, currency and customer.",
            code="payment_intent_unexpected_state",
            param="amount",
        ).with_object("payment_intent", public(intent))
    # Also when the currency alone is another one: 999 yen are no 999 fils.
    if amount is not None or parameters.has("currency"):
        check_amount(intent["amount"], intent["currency"])
    types = parameters.texts("payment_method_types")
    if types:
        intent["payment_method_types"] = types
    check_types(intent["payment_method_types"], intent["currency"])
    method = _describe(work, intent, parameters)
    if method is not None:
        intent["payment_method"] = method["id"]
        intent["status"] = "requires_confirmation"
        intent["next_action"] = None
    work.save(PAYMENT_INTENT, intent)
    return shown(intent)


def confirm(work: Work, parameters: Parameters, intent_id: str) -> ApiAnswer:
    """Try to take the money for a PaymentIntent."""
    intent = work.get(PAYMENT_INTENT, intent_id, "intent")
    # Before anything is changed: confirming twice must never become a second charge, and the error
    # shows the PaymentIntent as it is.
    refused = refusal("confirm", intent, method_kind=None)
    if refused is not None:
        raise refused
    _check_return_url(intent, parameters)
    method = _describe(work, intent, parameters)
    if method is None and intent["payment_method"] is not None:
        method = work.get(PAYMENT_METHOD, intent["payment_method"], "payment_method")
    if method is None:
        raise _nothing_to_charge(intent)
    return _attempt(work, intent, method, parameters)


def capture(work: Work, parameters: Parameters, intent_id: str) -> ApiAnswer:
    """Take what was authorised."""
    intent = work.get(PAYMENT_INTENT, intent_id, "intent")
    intent["metadata"] = parameters.metadata(intent["metadata"])
    _check_statement(intent, parameters)
    intents.capture(work, intent, parameters.integer("amount_to_capture"))
    return shown(intent)


def cancel(work: Work, parameters: Parameters, intent_id: str) -> ApiAnswer:
    """End a PaymentIntent that took no money."""
    intent = work.get(PAYMENT_INTENT, intent_id, "intent")
    intents.cancel(work, intent, parameters.text("cancellation_reason"))
    return shown(intent)


def list_page(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """PaymentIntents, newest first."""
    return ApiAnswer(
        200,
        page_of_objects(work, parameters, "payment_intent", _URL, filters=("customer",)),
    )


def _attempt(
    work: Work, intent: PaymentIntent, method: PaymentMethod, parameters: Parameters
) -> ApiAnswer:
    _check_type(intent, method)
    # Besides a boolean the parameter takes words for kinds of absence, and each of them means that
    # nobody is there.
    off_session = parameters.text("off_session") not in (None, "false")
    refused = attempt(
        work,
        intent,
        method,
        # Both say that nobody can answer a challenge now: it is a decline then, not a wait.
        off_session=off_session or parameters.flag("error_on_requires_action"),
    )
    if refused is None:
        return shown(intent)
    return declined(work, refused.error)


def _describe(work: Work, intent: PaymentIntent, parameters: Parameters) -> PaymentMethod | None:
    """Put what was said into the PaymentIntent; returns the method that was named, if one was."""
    _check_statement(intent, parameters)
    intent["metadata"] = parameters.metadata(intent["metadata"])
    for name in _DESCRIBING_TEXTS:
        if parameters.has(name):
            intent[name] = parameters.text(name)
    if parameters.has("shipping"):
        intent["shipping"] = parameters.json("shipping")
    capture_method = parameters.text("capture_method")
    if capture_method is not None:
        intent["capture_method"] = capture_method
    funding = parameters.branch("payment_method_options").json("customer_balance")
    if funding is not None:
        check_funding(intent["currency"], funding)
        intent["payment_method_options"] = {"customer_balance": funding}
    customer = parameters.text("customer")
    if customer is not None:
        intent["customer"] = work.get(CUSTOMER, customer, "customer")["id"]
    return _named_method(work, parameters)


def _check_statement(intent: PaymentIntent, parameters: Parameters) -> None:
    check_descriptors(
        intent["payment_method_types"],
        whole=parameters.text("statement_descriptor"),
        suffix=parameters.text("statement_descriptor_suffix"),
    )


def _named_method(work: Work, parameters: Parameters) -> PaymentMethod | None:
    name = parameters.text("payment_method")
    if name is not None:
        return methods.resolve(work, name)
    described = parameters.branch("payment_method_data")
    if not described.tree:
        return None
    kind = described.needed("type")
    details = described.branch(kind)
    number = details.text("number") or details.text("account_number") or details.text("iban")
    return methods.from_input(work, MethodInput(kind, number, details.text("token")))


def _accept_automatically(intent: PaymentIntent, parameters: Parameters) -> None:
    """Without a list of types the account's own are accepted: the default since 2023-08-16."""
    redirects = parameters.branch("automatic_payment_methods").text("allow_redirects")
    intent["automatic_payment_methods"] = {
        "allow_redirects": redirects or "always",
        "enabled": True,
    }
    intent["payment_method_types"] = automatic_types(intent["currency"])


def _check_return_url(intent: PaymentIntent, parameters: Parameters) -> None:
    automatic = intent["automatic_payment_methods"]
    if automatic is None or automatic.get("allow_redirects") == "never":
        return
    # Recorded from Stripe. Drills send `payment_method_types[]=card`, as the official CLI does.
    if parameters.text("return_url") is None:
        raise invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your "
            "Dashboard. Because some of these might redirect your customer, you must provide a "
            "`return_url`, or set `automatic_payment_methods[allow_redirects]` to `never`."
        )


def _check_type(intent: PaymentIntent, method: PaymentMethod) -> None:
    # With the PaymentIntent in the error, as with every refusal of its state, so that the caller
    # need not ask for it.
    if method["type"] not in intent["payment_method_types"]:
        allowed = ", ".join(intent["payment_method_types"])
        raise invalid(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this "
            f"PaymentIntent. It accepts: {allowed}.",
            param="payment_method",
        ).with_object("payment_intent", public(intent))


def _nothing_to_charge(intent: PaymentIntent) -> Exception:
    return invalid(
        "You cannot confirm this PaymentIntent because it's missing a payment method.",
        code="payment_intent_unexpected_state",
    ).with_object("payment_intent", public(intent))
