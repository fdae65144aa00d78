"""Which kinds of object there are, their id prefixes and their types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from bookpayctl.stripe_twin.resources.account_objects import (
    Customer,
    Deleted,
    Dispute,
    SetupIntent,
    WebhookEndpoint,
)
from bookpayctl.stripe_twin.resources.cash import CashTransaction
from bookpayctl.stripe_twin.resources.charge import Charge
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent
from bookpayctl.stripe_twin.resources.payment_method import PaymentMethod
from bookpayctl.stripe_twin.resources.refund import BalanceTransaction, Refund

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObjectKind(Generic[T]):
    """A kind of object; carries the type that `Work.get` answers for it."""

    name: str
    prefix: str


PAYMENT_INTENT: ObjectKind[PaymentIntent] = ObjectKind("payment_intent", "pi")
CHARGE: ObjectKind[Charge] = ObjectKind("charge", "ch")
REFUND: ObjectKind[Refund] = ObjectKind("refund", "re")
CASH_TRANSACTION: ObjectKind[CashTransaction] = ObjectKind(
    "customer_cash_balance_transaction", "ccsbtxn"
)
PAYMENT_METHOD: ObjectKind[PaymentMethod] = ObjectKind("payment_method", "pm")
CUSTOMER: ObjectKind[Customer] = ObjectKind("customer", "cus")
# Kept apart from the living, so that lists need not skip them; found by id all the same.
DELETED_CUSTOMER: ObjectKind[Deleted] = ObjectKind("deleted_customer", "cus")
SETUP_INTENT: ObjectKind[SetupIntent] = ObjectKind("setup_intent", "seti")
BALANCE_TRANSACTION: ObjectKind[BalanceTransaction] = ObjectKind("balance_transaction", "txn")
WEBHOOK_ENDPOINT: ObjectKind[WebhookEndpoint] = ObjectKind("webhook_endpoint", "we")
DISPUTE: ObjectKind[Dispute] = ObjectKind("dispute", "dp")

# Fields that are the twin's own and never leave it.
PRIVATE_FIELDS = (
    *("twin_account", "twin_behaviour", "twin_cash", "twin_connect", "twin_funded"),
    *("twin_secrets", "twin_waiting", "twin_withdrawn"),
)


def public(document: Mapping[str, object]) -> Mapping[str, object]:
    """The object as the API shows it."""
    # Most objects have none of these, and every answer comes through here: no copy is made then.
    for name in PRIVATE_FIELDS:
        if name in document:
            return {k: v for k, v in document.items() if k not in PRIVATE_FIELDS}
    return document
