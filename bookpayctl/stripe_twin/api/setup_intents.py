"""/v1/setup_intents: saving a method for later, without money."""

from bookpayctl.stripe_twin.api.answer import ApiAnswer, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    FLAG,
    HASH,
    TEXT,
    Parameters,
    Specification,
    choice,
)
from bookpayctl.stripe_twin.errors import ApiError, invalid
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import methods
from bookpayctl.stripe_twin.payments.test_methods import BankRefusal, Challenged
from bookpayctl.stripe_twin.resources.account_objects import SetupIntent
from bookpayctl.stripe_twin.resources.kinds import CUSTOMER, PAYMENT_METHOD, SETUP_INTENT, public

CONFIRM: Specification = {
    **dict.fromkeys(("client_secret", "confirmation_token", "payment_method", "return_url"), TEXT),
    **dict.fromkeys(("mandate_data", "payment_method_data", "payment_method_options"), ANY),
    "allowed_payment_method_types": ARRAY,
    "expand": ARRAY,
    "use_stripe_sdk": FLAG,
}
CREATE: Specification = {
    **CONFIRM,
    **dict.fromkeys(
        ("customer", "customer_account", "description", "on_behalf_of"),
        TEXT,
    ),
    "attach_to_self": FLAG,
    "automatic_payment_methods": HASH,
    "confirm": FLAG,
    "excluded_payment_method_types": ARRAY,
    "flow_directions": ARRAY,
    "metadata": ANY,
    "payment_method_configuration": TEXT,
    "payment_method_types": ARRAY,
    "single_use": HASH,
    "usage": choice("off_session", "on_session"),
}
UPDATE: Specification = {
    **dict.fromkeys(
        ("customer", "customer_account", "description", "payment_method"),
        TEXT,
    ),
    **dict.fromkeys(("metadata", "payment_method_data", "payment_method_options"), ANY),
    "attach_to_self": FLAG,
    "excluded_payment_method_types": ANY,
    "expand": ARRAY,
    "flow_directions": ARRAY,
    "payment_method_configuration": TEXT,
    "payment_method_types": ARRAY,
}
CANCEL: Specification = {
    "cancellation_reason": choice("abandoned", "duplicate", "requested_by_customer"),
    "expand": ARRAY,
}
RETRIEVE: Specification = {"client_secret": TEXT, "expand": ARRAY}
LIST: Specification = {
    **PAGING,
    **CREATED,
    "attach_to_self": FLAG,
    "customer": TEXT,
    "customer_account": TEXT,
    "payment_method": TEXT,
}
_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Make a SetupIntent and, with `confirm=true`, try it at once."""
    setup_id = work.new_id(SETUP_INTENT)
    customer = parameters.text("customer")
    if customer is not None:
        work.get(CUSTOMER, customer, "customer")
    setup: SetupIntent = {
        "id": setup_id,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": f"{setup_id}_secret_{work.context.ids.random_hex(25)}",
        "created": work.created,
        "customer": customer,
        "description": parameters.text("description"),
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": parameters.metadata({}),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": parameters.texts("payment_method_types") or ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": parameters.text("usage") or "off_session",
    }
    # A copy, since what is saved may not change any more and the attempt below changes it.
    work.save(SETUP_INTENT, setup.copy())
    work.emit("setup_intent.created", setup)
    if parameters.flag("confirm"):
        return _attempt(work, setup, parameters)
    name = parameters.text("payment_method")
    if name is not None:
        setup["payment_method"] = methods.resolve(work, name)["id"]
        setup["status"] = "requires_confirmation"
        work.save(SETUP_INTENT, setup)
    return shown(setup)


def retrieve(work: Work, _: Parameters, setup_id: str) -> ApiAnswer:
    """Show a SetupIntent."""
    return shown(work.get(SETUP_INTENT, setup_id, "intent"))


def update(work: Work, parameters: Parameters, setup_id: str) -> ApiAnswer:
    """Change a SetupIntent that has not been tried with success."""
    setup = work.get(SETUP_INTENT, setup_id, "intent")
    if set(parameters.tree) - {"metadata", "description", "expand"}:
        _check_open(setup, "update")
    setup["metadata"] = parameters.metadata(setup["metadata"])
    if parameters.has("description"):
        setup["description"] = parameters.text("description")
    types = parameters.texts("payment_method_types")
    if types is not None:
        setup["payment_method_types"] = types
    customer = parameters.text("customer")
    if customer is not None:
        setup["customer"] = work.get(CUSTOMER, customer, "customer")["id"]
    name = parameters.text("payment_method")
    if name is not None:
        setup["payment_method"] = methods.resolve(work, name)["id"]
        setup["status"] = "requires_confirmation"
    work.save(SETUP_INTENT, setup)
    return shown(setup)


def confirm(work: Work, parameters: Parameters, setup_id: str) -> ApiAnswer:
    """Try to save the method."""
    setup = work.get(SETUP_INTENT, setup_id, "intent")
    _check_open(setup, "confirm")
    return _attempt(work, setup, parameters)


def cancel(work: Work, parameters: Parameters, setup_id: str) -> ApiAnswer:
    """End a SetupIntent."""
    setup = work.get(SETUP_INTENT, setup_id, "intent")
    _check_open(setup, "cancel")
    setup["status"] = "canceled"
    setup["cancellation_reason"] = parameters.text("cancellation_reason")
    work.save(SETUP_INTENT, setup)
    work.emit("setup_intent.canceled", setup)
    return shown(setup)


def list_page(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """SetupIntents, newest first."""
    page = page_of_objects(
        work,
        parameters,
        "setup_intent",
        "/v1/setup_intents",
        filters=("customer",),
        equal={"payment_method": parameters.text("payment_method")},
    )
    return ApiAnswer(200, page)


def _check_open(setup: SetupIntent, action: str) -> None:
    if setup["status"] not in _OPEN:
        raise invalid(
            f"You cannot {action} this SetupIntent because it has a status of {setup['status']}.",
            code="setup_intent_unexpected_state",
        ).with_object("setup_intent", public(setup))


def _attempt(work: Work, setup: SetupIntent, parameters: Parameters) -> ApiAnswer:
    name = parameters.text("payment_method")
    if name is not None:
        method = methods.resolve(work, name)
    elif setup["payment_method"] is not None:
        method = work.get(PAYMENT_METHOD, setup["payment_method"], "payment_method")
    else:
        raise invalid(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
        ).with_object("setup_intent", public(setup))
    # No money moves, but the bank is asked all the same, and refuses what it would refuse of a
    # charge.
    result = methods.behaviour_of(method).result
    if isinstance(result, BankRefusal):
        refused = ApiError(
            402,
            "card_error",
            result.message,
            code=result.code,
            decline_code=result.decline_code,
        )
        setup["last_setup_error"] = {
            "code": result.code,
            "decline_code": result.decline_code,
            "message": result.message,
            "type": "card_error",
        }
        # Not raised: a refusal leaves its event and the SetupIntent behind, and an error would undo
        # both.
        setup["status"] = "requires_payment_method"
        work.save(SETUP_INTENT, setup)
        work.emit("setup_intent.setup_failed", setup)
        refused.with_object("setup_intent", public(setup))
        return ApiAnswer(402, {"error": refused.error})
    setup["payment_method"] = method["id"]
    if isinstance(result, Challenged):
        setup["status"] = "requires_action"
        setup["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
        work.save(SETUP_INTENT, setup)
        work.emit("setup_intent.requires_action", setup)
        return shown(setup)
    setup["status"] = "succeeded"
    if setup["customer"] is not None:
        method["customer"] = setup["customer"]
        work.save(PAYMENT_METHOD, method)
        work.emit("payment_method.attached", method)
    work.save(SETUP_INTENT, setup)
    work.emit("setup_intent.succeeded", setup)
    return shown(setup)
