"""Amounts: integer minor units and an ISO 4217 code, never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Stripe's ceiling for one charge: eight digits of minor units.
# Source: Stripe API reference, PaymentIntent "amount".
AMOUNT_CENTS_MAX: Final = 99_999_999

_CURRENCY = re.compile(r"[a-z]{3}", re.ASCII)


class MoneyError(ValueError):
    """The amount or the currency cannot be one."""


@dataclass(frozen=True, slots=True)
class Money:
    """`amount_cents` minor units of `currency` (lower-case ISO 4217, as Stripe writes it)."""

    amount_cents: int
    currency: str

    def __post_init__(self) -> None:
        # Not isinstance: true is an int to Python, and JSON's true is nobody's amount.
        if type(self.amount_cents) is not int or not 0 < self.amount_cents <= AMOUNT_CENTS_MAX:
            raise MoneyError(f"amount_cents must be an integer from 1 to {AMOUNT_CENTS_MAX}")
        if not _CURRENCY.fullmatch(self.currency):
            raise MoneyError("currency must be three lower-case letters (ISO 4217)")


def read_money(amount_cents: object, currency: object) -> Money | None:
    """Two fields of a document somebody else wrote; None when together they are no money."""
    if not isinstance(amount_cents, int) or not isinstance(currency, str):
        return None
    try:
        return Money(amount_cents, currency)
    except MoneyError:
        return None
