"""Objects around a payment: customers, setup intents, webhook endpoints, disputes."""

from typing import Literal, NotRequired, TypedDict

from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.resources.charge import Charge


class Customer(TypedDict):
    """The answered object."""

    id: str
    object: Literal["customer"]
    address: Json
    balance: int
    created: int
    currency: str | None
    default_source: str | None
    delinquent: bool
    description: str | None
    discount: None
    email: str | None
    invoice_prefix: str
    invoice_settings: dict[str, Json]
    livemode: bool
    metadata: dict[str, str]
    name: str | None
    next_invoice_sequence: int
    phone: str | None
    preferred_locales: list[Json]
    shipping: Json
    tax_exempt: str
    test_clock: str | None
    # Not Stripe's: money that came by transfer, by currency, and the PaymentIntents that wait for
    # some, oldest first.
    twin_cash: NotRequired[dict[str, int]]
    twin_waiting: NotRequired[list[str]]


class Deleted(TypedDict):
    """What is left of a deleted object."""

    id: str
    object: str
    deleted: Literal[True]


class SetupIntent(TypedDict):
    """The answered object."""

    id: str
    object: Literal["setup_intent"]
    application: str | None
    automatic_payment_methods: dict[str, Json] | None
    cancellation_reason: str | None
    client_secret: str
    created: int
    customer: str | None
    description: str | None
    flow_directions: list[Json] | None
    last_setup_error: dict[str, Json] | None
    latest_attempt: str | None
    livemode: bool
    mandate: str | None
    metadata: dict[str, str]
    next_action: dict[str, Json] | None
    on_behalf_of: str | None
    payment_method: str | None
    payment_method_configuration_details: dict[str, Json] | None
    payment_method_options: dict[str, Json]
    payment_method_types: list[str]
    single_use_mandate: str | None
    status: str
    usage: str


class WebhookSecret(TypedDict):
    """A signing secret and when it stops to be used (null: never)."""

    value: str
    expires_at: float | None


class WebhookEndpoint(TypedDict):
    """The stored object; the API shows the newest secret at creation and never again."""

    id: str
    object: Literal["webhook_endpoint"]
    api_version: str | None
    application: str | None
    created: int
    description: str | None
    enabled_events: list[str]
    livemode: bool
    metadata: dict[str, str]
    status: Literal["enabled", "disabled", "deleted"]
    url: str
    # Not Stripe's: what the twin signs with, newest first.
    twin_secrets: list[WebhookSecret]
    # Not Stripe's: whether it hears of connected accounts; the API takes it and never shows it.
    twin_connect: NotRequired[bool]


class Dispute(TypedDict):
    """The answered object."""

    id: str
    object: Literal["dispute"]
    amount: int
    balance_transactions: list[Json]
    charge: str
    created: int
    currency: str
    enhanced_eligibility_types: list[Json]
    evidence: dict[str, Json]
    evidence_details: dict[str, Json]
    is_charge_refundable: bool
    livemode: bool
    metadata: dict[str, str]
    payment_intent: str | None
    payment_method_details: dict[str, Json]
    reason: str
    status: str


# What evidence can be about; `enhanced_evidence` is an object, the rest is text or a file's id.
EVIDENCE = (
    *("access_activity_log", "billing_address", "cancellation_policy"),
    *("cancellation_policy_disclosure", "cancellation_rebuttal", "customer_communication"),
    *("customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature"),
    *("duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id"),
    *("product_description", "receipt", "refund_policy", "refund_policy_disclosure"),
    *("refund_refusal_explanation", "service_date", "service_documentation", "shipping_address"),
    *("shipping_carrier", "shipping_date", "shipping_documentation"),
    *("shipping_tracking_number", "uncategorized_file", "uncategorized_text"),
)
# The twin's choice; at Stripe it depends on the network and the reason.
_ANSWER_WITHIN_SECONDS = 7 * 24 * 3600


def new_dispute(
    dispute_id: str, charge: Charge, *, reason: str, inquiry: bool, created: int
) -> Dispute:
    """A dispute of a whole charge that nobody has answered yet."""
    details: dict[str, Json] = {"type": charge["payment_method_details"]["type"]}
    card = charge["payment_method_details"].get("card")
    if isinstance(card, dict):
        details["card"] = {
            "brand": card["brand"],
            "case_type": "inquiry" if inquiry else "chargeback",
            "network_reason_code": "10.4",
        }
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": created + _ANSWER_WITHIN_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        # An inquiry has not taken the money, so there is something left to give back.
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": details,
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }
