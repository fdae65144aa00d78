"""A PaymentIntent: one customer's one intention to pay, however many attempts it takes."""

from typing import Literal, NotRequired, TypedDict

from bookpayctl.stripe_twin.documents import Json

PaymentIntentStatus = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
]


class PaymentIntent(TypedDict):
    """The answered object."""

    id: str
    object: Literal["payment_intent"]
    amount: int
    amount_capturable: int
    amount_details: dict[str, Json]
    amount_received: int
    application: str | None
    application_fee_amount: int | None
    automatic_payment_methods: dict[str, Json] | None
    canceled_at: int | None
    cancellation_reason: str | None
    capture_method: str
    client_secret: str
    confirmation_method: str
    created: int
    currency: str
    customer: str | None
    customer_account: str | None
    description: str | None
    excluded_payment_method_types: list[Json] | None
    last_payment_error: dict[str, Json] | None
    latest_charge: str | None
    livemode: bool
    metadata: dict[str, str]
    next_action: dict[str, Json] | None
    on_behalf_of: str | None
    payment_method: str | None
    payment_method_configuration_details: dict[str, Json] | None
    payment_method_options: dict[str, Json]
    payment_method_types: list[str]
    processing: dict[str, Json] | None
    receipt_email: str | None
    review: str | None
    setup_future_usage: str | None
    shipping: Json
    source: str | None
    statement_descriptor: str | None
    statement_descriptor_suffix: str | None
    status: PaymentIntentStatus
    transfer_data: Json
    transfer_group: str | None
    # Not Stripe's: what of a customer's transfers is held for it.
    twin_funded: NotRequired[int]


def new_payment_intent(
    payment_intent_id: str, client_secret: str, *, amount: int, currency: str, created: int
) -> PaymentIntent:
    """A PaymentIntent that nothing was said about but its amount."""
    return {
        "id": payment_intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        # The default since API version 2024-04-10.
        "capture_method": "automatic_async",
        "client_secret": client_secret,
        "confirmation_method": "automatic",
        "created": created,
        "currency": currency,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
