"""Which currencies there are and which amounts of each can be charged. Pure.

Amounts are in minor units: those of ISO 4217, but for the currencies that Stripe keeps at two
decimals although they have none any more. HUF and TWD have that rule for payouts alone, which the
twin does not play: their charges may have decimals.

Source: docs.stripe.com/currencies, its lists and its table of minimum and maximum amounts. The
words of the refusal of a last digit are not published, and are the twin's.
"""

from bookpayctl.stripe_twin.errors import ApiError, invalid

# In Stripe's own order, which its refusal of an unknown one lists.
CURRENCIES: tuple[str, ...] = (
    *("usd", "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam"),
    *("bbd", "bdt", "bgn", "bhd", "bif", "bmd", "bnd", "bob", "brl", "bsd", "bwp", "byn"),
    *("bzd", "cad", "cdf", "chf", "clp", "cny", "cop", "crc", "cve", "czk", "djf", "dkk"),
    *("dop", "dzd", "egp", "etb", "eur", "fjd", "fkp", "gbp", "gel", "gip", "gmd", "gnf"),
    *("gtq", "gyd", "hkd", "hnl", "hrk", "htg", "huf", "idr", "ils", "inr", "isk", "jmd"),
    *("jod", "jpy", "kes", "kgs", "khr", "kmf", "krw", "kwd", "kyd", "kzt", "lak", "lbp"),
    *("lkr", "lrd", "lsl", "mad", "mdl", "mga", "mkd", "mmk", "mnt", "mop", "mro", "mur"),
    *("mvr", "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio", "nok", "npr", "nzd", "omr"),
    *("pab", "pen", "pgk", "php", "pkr", "pln", "pyg", "qar", "ron", "rsd", "rub", "rwf"),
    *("sar", "sbd", "scr", "sek", "sgd", "shp", "sle", "sll", "sos", "srd", "std", "szl"),
    *("thb", "tjs", "tnd", "top", "try", "ttd", "twd", "tzs", "uah", "ugx", "uyu", "uzs"),
    *("vnd", "vuv", "wst", "xaf", "xcd", "xcg", "xof", "xpf", "yer", "zar", "zmw"),
)
_KNOWN = frozenset(CURRENCIES)
_WITHOUT_DECIMALS = frozenset(
    (
        *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
        *("pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"),
    )
)
# Three decimals, of which the networks carry two: the last digit must be 0.
_THREE_DECIMALS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
# Without decimals today, written with two as ever: the two must be 00.
_TWO_EMPTY_DECIMALS = frozenset(("isk", "ugx"))

# The smallest charge by the currency that it settles in, in minor units. The twin settles each
# charge in its own currency; of a currency that nobody settles in, Stripe asks for the worth of the
# account's own minimum, and the twin, which knows no rates, for 1.
_AMOUNT_MIN = {
    **dict.fromkeys(("usd", "aud", "brl", "cad", "chf", "eur", "inr", "jpy", "nzd", "sgd"), 50),
    **dict.fromkeys(("aed", "myr", "pln", "ron"), 200),
    **dict.fromkeys(("nok", "sek"), 300),
    **dict.fromkeys(("mxn", "thb"), 1_000),
    "bgn": 100,
    "czk": 1_500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17_500,
}
# Eight digits, but for one currency of many digits.
_AMOUNT_MAX = 99_999_999
_AMOUNT_MAX_IDR = 999_999_999_999
_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}


def check_currency(currency: str) -> str:
    """The currency in lower case, as it is answered; raises the 400 when there is none such."""
    lowered = currency.lower()
    if lowered not in _KNOWN:
        raise invalid(
            f"Invalid currency: {lowered}. Stripe currently supports these currencies: "
            f"{', '.join(CURRENCIES)}",
            param="currency",
        )
    return lowered


def check_amount(amount: int, currency: str, param: str = "amount") -> None:
    """Raise the 400 for an amount that cannot be charged."""
    if amount < 1:
        raise invalid(
            "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer",
            param=param,
        )
    most = _AMOUNT_MAX_IDR if currency == "idr" else _AMOUNT_MAX
    if amount > most:
        raise invalid(
            f"Amount must be no more than {in_words(most, currency)}",
            code="amount_too_large",
            param=param,
        )
    least = _AMOUNT_MIN.get(currency, 1)
    if amount < least:
        raise invalid(
            f"Amount must be at least {in_words(least, currency)}{_named(currency)}",
            code="amount_too_small",
            param=param,
        )
    check_last_digits(amount, currency, param)


def check_last_digits(amount: int, currency: str, param: str = "amount") -> None:
    """Raise the 400 for an amount with digits that its currency does not have.

    It holds for whatever moves money: charges, captures, refunds.
    """
    step = _step(currency)
    if amount % step:
        raise ApiError(
            400,
            "invalid_request_error",
            f"Invalid amount: {amount}. Amounts in {currency} must be divisible by {step}.",
            code="invalid_charge_amount",
            param=param,
        )


def in_words(amount: int, currency: str) -> str:
    """An amount as Stripe's messages write it: `$0.50`, and `2.50 dkk` where no sign is known."""
    if currency in _WITHOUT_DECIMALS:
        number = f"{amount:,}"
    elif currency in _THREE_DECIMALS:
        number = f"{amount // 1000:,}.{amount % 1000:03d}"
    else:
        number = f"{amount // 100:,}.{amount % 100:02d}"
    symbol = _SYMBOLS.get(currency)
    return f"{number} {currency}" if symbol is None else f"{symbol}{number}"


def _named(currency: str) -> str:
    return f" {currency}" if currency in _SYMBOLS else ""


def _step(currency: str) -> int:
    if currency in _THREE_DECIMALS:
        return 10
    return 100 if currency in _TWO_EMPTY_DECIMALS else 1
