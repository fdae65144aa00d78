"""A Refund and the balance transaction that any movement of money leaves."""

from typing import Literal, NotRequired, TypedDict

from bookpayctl.stripe_twin.documents import Json

RefundStatus = Literal["pending", "requires_action", "succeeded", "failed", "canceled"]


class Refund(TypedDict):
    """The answered object; what went wrong, or is waited for, is there only when there is any."""

    id: str
    object: Literal["refund"]
    amount: int
    balance_transaction: str | None
    charge: str
    created: int
    currency: str
    destination_details: dict[str, Json]
    failure_balance_transaction: NotRequired[str]
    failure_reason: NotRequired[str]
    metadata: dict[str, str]
    pending_reason: NotRequired[str]
    payment_intent: str | None
    reason: str | None
    receipt_number: str | None
    source_transfer_reversal: str | None
    status: RefundStatus
    transfer_reversal: str | None


class BalanceTransaction(TypedDict):
    """The answered object; the balance is the sum of these."""

    id: str
    object: Literal["balance_transaction"]
    amount: int
    available_on: int
    balance_type: str
    created: int
    currency: str
    description: str | None
    exchange_rate: float | None
    fee: int
    fee_details: list[Json]
    net: int
    reporting_category: str
    source: str
    status: Literal["available", "pending"]
    type: str
