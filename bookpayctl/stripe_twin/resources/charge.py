"""A Charge: one attempt to take money, successful or not, and what was given back of it."""

from typing import Literal, NotRequired, TypedDict

from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent
from bookpayctl.stripe_twin.resources.payment_method import PaymentMethod, card_in_charge


class Charge(TypedDict):
    """The answered object."""

    id: str
    object: Literal["charge"]
    amount: int
    amount_captured: int
    amount_refunded: int
    application: str | None
    application_fee: str | None
    application_fee_amount: int | None
    balance_transaction: str | None
    billing_details: dict[str, Json]
    calculated_statement_descriptor: str | None
    captured: bool
    created: int
    currency: str
    customer: str | None
    description: str | None
    disputed: bool
    failure_balance_transaction: str | None
    failure_code: str | None
    failure_message: str | None
    fraud_details: dict[str, Json]
    livemode: bool
    metadata: dict[str, str]
    on_behalf_of: str | None
    outcome: dict[str, Json] | None
    paid: bool
    payment_intent: str | None
    payment_method: str | None
    payment_method_details: dict[str, Json]
    radar_options: dict[str, Json]
    receipt_email: str | None
    receipt_number: str | None
    receipt_url: str | None
    refunded: bool
    review: str | None
    shipping: Json
    source: Json
    source_transfer: str | None
    statement_descriptor: str | None
    statement_descriptor_suffix: str | None
    status: Literal["succeeded", "pending", "failed"]
    transfer_data: Json
    transfer_group: str | None
    # A dispute has the money: it is open, or was lost.
    twin_withdrawn: NotRequired[bool]


def new_charge(
    charge_id: str, intent: PaymentIntent, method: PaymentMethod, *, created: int
) -> Charge:
    """A charge of the whole amount that has not been decided yet.

    The metadata is the PaymentIntent's: Stripe copies it once, when the charge is made.
    """
    return {
        "id": charge_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "STRIPE TWIN",
        "captured": False,
        "created": created,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        # Checked by a careful receiver: a live event in a test environment is somebody's mistake.
        "livemode": False,
        # The same object, not a copy: what is saved is never changed in place.
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _details(method, intent["amount"]),
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }


def _details(method: PaymentMethod, amount: int) -> dict[str, Json]:
    details: dict[str, Json] = {"type": method["type"]}
    if "card" in method:
        details["card"] = card_in_charge(method["card"], amount)
    elif "us_bank_account" in method:
        details["us_bank_account"] = _without(
            method["us_bank_account"], "financial_connections_account", "networks", "status_details"
        )
    elif "customer_balance" in method:
        details["customer_balance"] = {}
    elif "sepa_debit" in method:
        # Recorded charges have a mandate here; the twin makes none.
        details["sepa_debit"] = {
            **_without(method["sepa_debit"], "generated_from"),
            "mandate": None,
        }
    return details


def _without(account: dict[str, Json], *only_in_methods: str) -> dict[str, Json]:
    """A bank account as a charge shows it."""
    return {name: value for name, value in account.items() if name not in only_in_methods}


def outcome_of(*, approved: bool, reason: str | None, blocked: bool = False) -> dict[str, Json]:
    """What the network is said to have thought of a charge."""
    if blocked:
        status, kind, seller = "not_sent_to_network", "blocked", "Stripe blocked this payment."
    elif approved:
        status, kind, seller = "approved_by_network", "authorized", "Payment complete."
    else:
        status, kind = "declined_by_network", "issuer_declined"
        seller = "The bank returned a decline."
    return {
        "network_status": status,
        "reason": reason,
        "risk_level": "highest" if blocked else "normal",
        "risk_score": 90 if blocked else 20,
        "seller_message": seller,
        "type": kind,
    }
