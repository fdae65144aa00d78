"""The cash balance of a customer: money that came by transfer and belongs to no payment yet."""

from typing import Literal, TypedDict

from bookpayctl.stripe_twin.documents import Json

CashMovement = Literal["funded", "applied_to_payment", "unapplied_from_payment"]


class CashTransaction(TypedDict):
    """The answered object: the balance changed by `net_amount`, for one of three reasons."""

    id: str
    object: Literal["customer_cash_balance_transaction"]
    applied_to_payment: dict[str, Json] | None
    created: int
    currency: str
    customer: str
    customer_account: str | None
    ending_balance: int
    funded: dict[str, Json] | None
    livemode: bool
    net_amount: int
    type: CashMovement
    unapplied_from_payment: dict[str, Json] | None


def cash_balance(customer_id: str, sums: dict[str, int]) -> dict[str, object]:
    """The balance as the API shows it; null when no money ever came."""
    return {
        "object": "cash_balance",
        "available": {currency: amount for currency, amount in sums.items() if amount} or None,
        "customer": customer_id,
        "customer_account": None,
        "livemode": False,
        "settings": {"reconciliation_mode": "automatic", "using_merchant_default": True},
    }
