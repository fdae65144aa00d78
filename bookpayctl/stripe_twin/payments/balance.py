"""The balance: one transaction for each movement of money, with Stripe's usual fee."""

from collections.abc import Mapping
from typing import Literal

from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources.charge import Charge
from bookpayctl.stripe_twin.resources.kinds import BALANCE_TRANSACTION
from bookpayctl.stripe_twin.resources.refund import BalanceTransaction

# 2.9 % and 30 minor units, what stripe.com/pricing shows for cards in the United States.
_FEE_PER_MILLE = 29
_FEE_FIXED = 30
_DAY_SECONDS = 24 * 3600
_AVAILABLE_AFTER_SECONDS = 2 * _DAY_SECONDS

Movement = Literal["charge", "refund", "refund_failure", "adjustment"]
# What reports call a movement whose type does not say what it is for.
_CATEGORIES: dict[Movement, str] = {"adjustment": "dispute"}


def book_charge(work: Work, charge: Charge, amount: int, *, at_once: bool) -> str:
    """Book money taken; returns the id of the balance transaction.

    With `at_once` it is available in this instant, and an event says so.
    """
    # Rounded up to a whole minor unit, and never more than the charge itself.
    fee = min((amount * _FEE_PER_MILLE + 999) // 1000 + _FEE_FIXED, amount)
    after_seconds = 0 if at_once else _AVAILABLE_AFTER_SECONDS
    booked = _book(work, "charge", charge["id"], amount, charge["currency"], fee, after_seconds)
    if at_once:
        work.emit("balance.available", balance_of(work))
    return booked


def book_refund(work: Work, refund_id: str, amount: int, currency: str) -> str:
    """Book money given back; the fee is not."""
    return _book(work, "refund", refund_id, -amount, currency, 0)


def book_refund_failure(work: Work, refund_id: str, amount: int, currency: str) -> str:
    """Book money that came back because a refund failed."""
    return _book(work, "refund_failure", refund_id, amount, currency, 0)


def book_dispute(work: Work, dispute_id: str, amount: int, currency: str, fee: int) -> str:
    """Book money that a dispute took (below zero) or gave back, at once."""
    return _book(work, "adjustment", dispute_id, amount, currency, fee, after_seconds=0)


def balance_of(work: Work) -> dict[str, object]:
    """The account's balance as the API shows it, with what this unit of work has booked."""
    sums = work.balance()

    def shown(state: int) -> list[dict[str, object]]:
        return [
            {
                "amount": by_state[state],
                "currency": currency,
                "source_types": {"card": by_state[state]},
            }
            for currency, by_state in sorted(sums.items())
        ] or [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]

    return {
        "object": "balance",
        "available": shown(0),
        "livemode": False,
        "pending": shown(1),
        "refund_and_dispute_prefunding": {"available": [], "pending": []},
    }


def as_of(transaction: Mapping[str, object], now: float) -> Mapping[str, object]:
    """A balance transaction at a time: pending money becomes available without anybody's doing."""
    available_on = transaction.get("available_on")
    if isinstance(available_on, int) and available_on <= now:
        return {**transaction, "status": "available"}
    return transaction


def _book(
    work: Work,
    movement: Movement,
    source: str,
    amount: int,
    currency: str,
    fee: int,
    after_seconds: int = _AVAILABLE_AFTER_SECONDS,
) -> str:
    available_on = work.created + after_seconds
    if after_seconds:
        # Money becomes available at midnight UTC, all of a day at once.
        available_on -= available_on % _DAY_SECONDS
    transaction: BalanceTransaction = {
        "id": work.new_id(BALANCE_TRANSACTION),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": available_on,
        "balance_type": "payments",
        "created": work.created,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": amount - fee,
        "reporting_category": _CATEGORIES.get(movement, movement),
        "source": source,
        "status": "pending" if after_seconds else "available",
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
    # The object is for whoever asks; this is what the balance is summed from.
    work.book(currency, available_on, amount - fee)
    return transaction["id"]
