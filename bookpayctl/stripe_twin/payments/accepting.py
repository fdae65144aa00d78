"""What a PaymentIntent may accept and be called: types of method, statement descriptors. Pure.

Sources: Stripe's pages on payment method support and on statement descriptors. The words are as
recorded where they are known; those about characters and lengths are the twin's.
"""

import unicodedata

from bookpayctl.stripe_twin.errors import ApiError, invalid

# The types that stripe-python 16 can name, and the currencies of those that do not take every one.
# Most of them the twin accepts and cannot play.
_EVERY: tuple[str, ...] = ()
_CURRENCIES_OF_TYPE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("affirm", "afterpay_clearpay", "alipay", "alma", "amazon_pay", "billie", "card"),
            *("card_present", "crypto", "custom", "gopay", "id_bank_transfer", "kakao_pay"),
            *("klarna", "kr_card", "link", "mb_way", "mobilepay", "naver_pay", "nz_bank_account"),
            *("interac_present", "pay_by_bank", "payco", "paypal", "payto", "qris", "rechnung"),
            *("revolut_pay", "samsung_pay", "satispay", "scalapay", "shopeepay", "stripe_balance"),
            *("sequra", "sunbit", "upi", "wechat_pay", "zip"),
        ),
        _EVERY,
    ),
    **dict.fromkeys(
        ("bancontact", "bizum", "eps", "giropay", "ideal", "multibanco", "sofort"), ("eur",)
    ),
    **dict.fromkeys(("boleto", "pix"), ("brl",)),
    **dict.fromkeys(("cashapp", "us_bank_account"), ("usd",)),
    "acss_debit": ("cad", "usd"),
    "au_becs_debit": ("aud",),
    "bacs_debit": ("gbp",),
    "blik": ("pln",),
    "customer_balance": ("eur", "gbp", "jpy", "mxn", "usd"),
    "fpx": ("myr",),
    "grabpay": ("myr", "sgd"),
    "konbini": ("jpy",),
    "oxxo": ("mxn",),
    "p24": ("eur", "pln"),
    "paynow": ("sgd",),
    "paypay": ("jpy",),
    "promptpay": ("thb",),
    "sepa_debit": ("eur",),
    "swish": ("sek",),
    "twint": ("chf",),
}
_DESCRIPTOR_LETTERS = (5, 22)
_SUFFIX_LETTERS_MAX = 22
_NOT_ON_STATEMENTS = "<>\\'\"*"


def check_types(types: list[str], currency: str) -> None:
    """Raise the 400 for a type of method that there is not, or not in this currency."""
    for kind in types:
        if kind not in _CURRENCIES_OF_TYPE:
            raise invalid(
                f"The payment method type provided: {kind} is invalid. Please ensure the provided "
                "type is activated in your dashboard "
                "(https://dashboard.stripe.com/account/payments/settings) and your account is "
                "enabled for any preview features that you are trying to use. See "
                "https://stripe.com/docs/payments/payment-methods/integration-options for "
                "supported payment methods, countries and currencies.",
                code="payment_intent_invalid_parameter",
                param="payment_method_types",
            )
        supported = _CURRENCIES_OF_TYPE[kind]
        if supported and currency not in supported:
            raise invalid(
                f"The currency provided ({currency}) is invalid. Payments with {kind} support the "
                f"following currencies: {', '.join(supported)}.",
                code="payment_intent_invalid_currency",
                param="currency",
            )


def automatic_types(currency: str) -> list[str]:
    """The account's own types, as far as they go with a currency."""
    return ["card", "us_bank_account"] if currency == "usd" else ["card"]


def check_descriptors(
    types: list[str], *, whole: str | None = None, suffix: str | None = None
) -> None:
    """Raise the 400 for a text that cannot stand on a statement.

    Args:
        types: what the PaymentIntent accepts; a card's statement takes a suffix alone.
        whole: the `statement_descriptor` of this request, if it has one.
        suffix: the `statement_descriptor_suffix`.
    """
    if whole is not None:
        if "card" in types:
            raise invalid(
                "The statement_descriptor parameter is not supported for the payment_method_type "
                "`card`. To continue supporting payment_method_type `card`, please pass in "
                "`statement_descriptor_suffix` or remove the `statement_descriptor` parameter "
                "altogether.",
                code="payment_intent_invalid_parameter",
                param="statement_descriptor",
            )
        check_descriptor("statement_descriptor", whole, *_DESCRIPTOR_LETTERS)
    if suffix is not None:
        check_descriptor("statement_descriptor_suffix", suffix, 1, _SUFFIX_LETTERS_MAX)


def check_descriptor(param: str, text: str, least: int = 5, most: int = 22) -> None:
    """Raise the 400 for a text with a wrong length, no letter, or characters banks refuse."""
    if not least <= len(text) <= most:
        raise _bad(param, f"must have between {least} and {most} characters")
    found = sorted({letter for letter in text if letter in _NOT_ON_STATEMENTS})
    if found:
        raise _bad(
            param,
            f"contains {' '.join(found)}; the characters <, >, \\, ', \" and * are not allowed",
        )
    letters = [letter for letter in text if letter.isalpha()]
    if not letters:
        raise _bad(param, "must contain at least one letter")
    if not text.isprintable() or any(not _is_latin(letter) for letter in letters):
        raise _bad(param, "may only contain Latin characters")


def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")


def _bad(param: str, reason: str) -> ApiError:
    return invalid(f"Invalid {param}: it {reason}.", code="parameter_invalid", param=param)
