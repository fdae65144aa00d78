"""Amounts as people read them: the minor units of each currency, never a float. Pure.

Everything in the stack counts in Stripe's minor units. How many of them make one of the currency is
Stripe's to say, and is not always what ISO 4217 says: ISK and UGX have no minor unit any more, yet
Stripe counts them in hundredths; MGA has fifths, and Stripe counts it whole.

Source:
    Stripe documentation, "Supported currencies": zero-decimal and three-decimal currencies, special
    cases.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

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


def minor_digits(currency: str) -> int | None:
    """How many decimals an amount of the currency has; None when nobody told us."""
    return _DIGITS.get(currency.lower())


def shown_money(minor_units: int, currency: str) -> str:
    """`49.99 usd`, `500 jpy`, `1.001 kwd`; of a currency nobody knows, `12 minor units of xyz`."""
    digits = minor_digits(currency)
    if digits is None:
        return f"{minor_units} minor units of {currency or 'no currency'}"
    if digits == 0:
        return f"{minor_units} {currency}"
    whole, part = divmod(abs(minor_units), 10**digits)
    return f"{'-' * (minor_units < 0)}{whole}.{part:0{digits}} {currency}"


def shown_sums(amounts: Iterable[tuple[int, str]]) -> str:
    """The sum of each currency, for amounts that must not be added up: `9.99 eur + 500 jpy`."""
    sums: dict[str, int] = {}
    for minor_units, currency in amounts:
        sums[currency] = sums.get(currency, 0) + minor_units
    return " + ".join(shown_money(total, name) for name, total in sorted(sums.items())) or "nothing"


def currencies_by_digits() -> dict[int, tuple[str, ...]]:
    """Every currency that Stripe knows, in small letters, by how many decimals it has."""
    found: dict[int, tuple[str, ...]] = {}
    for currency, digits in _DIGITS.items():
        found[digits] = (*found.get(digits, ()), currency)
    return found
