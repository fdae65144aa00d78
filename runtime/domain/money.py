"""Amounts: integer minor units and an ISO 4217 code, never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Stripe's ceiling for one charge: eight digits of minor units.
# Source: Stripe API reference, PaymentIntent "amount".
AMOUNT_CENTS_MAX: Final = 99_999_999

_CURRENCY = re.compile(r"[a-z]{3}", re.ASCII)

# How many minor units, in Stripe's counting, make one of a currency. ISK and UGX have none any
# more, yet Stripe counts them in hundredths; MGA has fifths, and Stripe counts it whole.
# Source: Stripe documentation, "Supported currencies".
_WHOLE: Final = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THOUSANDTHS: Final = "bhd iqd jod kwd lyd omr tnd"
_HUNDREDTHS: Final = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd btn bwp byn bzd"
    " cad cdf chf cny cop crc cup cve czk dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs gip gmd"
    " gtq gyd hkd hnl hrk htg huf idr ils inr irr isk jmd kes kgs khr kpw kyd kzt lak lbp lkr lrd"
    " lsl mad mdl mkd mmk mnt mop mru mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk"
    " php pkr pln qar ron rsd rub sar sbd scr sdg sek sgd shp sle sll sos srd ssp std stn svc syp"
    " szl thb tjs tmt top try ttd twd tzs uah ugx usd uyu uzs ves wst xcd xcg yer zar zmw"
)
_DIGITS: Final = {
    currency: digits
    for digits, currencies in ((0, _WHOLE), (2, _HUNDREDTHS), (3, _THOUSANDTHS))
    for currency in currencies.split()
}


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


def shown_money(money: Money) -> str:
    """As a customer reads it: `49.99 USD`, `500 JPY`, `1.001 KWD`.

    Of a currency nobody told us about the minor units are shown, and called that.
    """
    currency = money.currency.upper()
    digits = _DIGITS.get(money.currency)
    if digits is None:
        return f"{money.amount_cents} minor units of {currency}"
    if digits == 0:
        return f"{money.amount_cents} {currency}"
    whole, part = divmod(money.amount_cents, 10**digits)
    return f"{whole}.{part:0{digits}} {currency}"
