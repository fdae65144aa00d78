"""The balance: one transaction for each movement of money, with Stripe's usual fee."""

from typing import Literal

from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources.charge import Charge
from bookpayctl.stripe_twin.resources.kinds import BALANCE_TRANSACTION
from bookpayctl.stripe_twin.resources.refund import BalanceTransaction

# 2.9 % and 30 minor units, what stripe.com/pricing shows for cards in the United States.
_FEE_PER_MILLE = 29
_FEE_FIXED = 30
_AVAILABLE_AFTER_SECONDS = 2 * 24 * 3600

Movement = Literal["charge", "refund", "refund_failure"]


def book_charge(work: Work, charge: Charge, amount: int) -> str:
    """Book money taken; returns the id of the balance transaction."""
    fee = (amount * _FEE_PER_MILLE + 999) // 1000 + _FEE_FIXED
    return _book(work, "charge", charge["id"], amount, charge["currency"], min(fee, amount))


def book_refund(work: Work, refund_id: str, amount: int, currency: str) -> str:
    """Book money given back; the fee is not."""
    return _book(work, "refund", refund_id, -amount, currency, 0)


def book_refund_failure(work: Work, refund_id: str, amount: int, currency: str) -> str:
    """Book money that came back because a refund failed."""
    return _book(work, "refund_failure", refund_id, amount, currency, 0)


def _book(work: Work, movement: Movement, source: str, amount: int, currency: str, fee: int) -> str:
    transaction: BalanceTransaction = {
        "id": work.mint(BALANCE_TRANSACTION),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": work.created + _AVAILABLE_AFTER_SECONDS,
        "balance_type": "payments",
        "created": work.created,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": amount - fee,
        "reporting_category": movement,
        "source": source,
        "status": "pending",
        "type": movement,
    }
    if fee:
        transaction["fee_details"] = [
            {
                "amount": fee,
                "application": None,
                "currency": currency,
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        ]
    work.save(BALANCE_TRANSACTION, transaction)
    return transaction["id"]
