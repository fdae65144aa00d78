"""Objects around a payment: customers, setup intents, webhook endpoints, disputes."""

from typing import Literal, TypedDict

from bookpayctl.stripe_twin.documents import Json


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


class Dispute(TypedDict):
    """The answered object."""

    id: str
    object: Literal["dispute"]
    amount: int
    balance_transactions: list[Json]
    charge: str
    created: int
    currency: str
    evidence: dict[str, Json]
    evidence_details: dict[str, Json]
    is_charge_refundable: bool
    livemode: bool
    metadata: dict[str, str]
    payment_intent: str | None
    reason: str
    status: str
