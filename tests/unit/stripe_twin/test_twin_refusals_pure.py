"""What cannot be charged, accepted or printed on a statement, by values written by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookpayctl.stripe_twin.api.authentication import check_version
from bookpayctl.stripe_twin.errors import ApiError
from bookpayctl.stripe_twin.payments.accepting import check_descriptors, check_types
from bookpayctl.stripe_twin.payments.currencies import (
    CURRENCIES,
    check_amount,
    check_currency,
    check_last_digits,
    in_words,
)

# Noon of 2026-11-27.
NOW = 1_795_780_800.0


@pytest.mark.parametrize(
    ("currency", "amount", "code", "message"),
    [
        ("usd", 49, "amount_too_small", "Amount must be at least $0.50 usd"),
        ("gbp", 29, "amount_too_small", "Amount must be at least £0.30 gbp"),
        ("jpy", 49, "amount_too_small", "Amount must be at least ¥50 jpy"),
        ("mxn", 999, "amount_too_small", "Amount must be at least 10.00 mxn"),
        ("huf", 17_499, "amount_too_small", "Amount must be at least 175.00 huf"),
        ("dkk", 249, "amount_too_small", "Amount must be at least 2.50 dkk"),
        ("usd", 100_000_000, "amount_too_large", "Amount must be no more than $999,999.99"),
        ("jpy", 100_000_000, "amount_too_large", "Amount must be no more than ¥99,999,999"),
        ("idr", 10**12, "amount_too_large", "Amount must be no more than 9,999,999,999.99 idr"),
        ("usd", 0, "parameter_invalid_integer", "This value must be greater than or equal to 1."),
        ("usd", -5, "parameter_invalid_integer", "This value must be greater than or equal to 1."),
        *(
            (
                *(currency, 1_001, "invalid_charge_amount"),
                f"Invalid amount: 1001. Amounts in {currency} must be divisible by 10.",
            )
            for currency in ("bhd", "jod", "kwd", "omr", "tnd")
        ),
        *(
            (
                *(currency, 10_110, "invalid_charge_amount"),
                f"Invalid amount: 10110. Amounts in {currency} must be divisible by 100.",
            )
            for currency in ("isk", "ugx")
        ),
    ],
)
def test_an_amount_that_its_currency_does_not_have_is_refused(
    currency: str, amount: int, code: str, message: str
) -> None:
    with pytest.raises(ApiError) as caught:
        check_amount(amount, currency)

    assert caught.value.status == 400
    assert caught.value.error["param"] == "amount"
    assert (caught.value.code, str(caught.value)) == (code, message)
    assert caught.value.error["doc_url"] == (
        f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
    )


@pytest.mark.parametrize(
    ("currency", "amount"),
    [
        *(("usd", 50), ("gbp", 30), ("jpy", 50), ("mxn", 1_000), ("huf", 17_500)),
        # With decimals: the rule of whole units is one of payouts.
        *(("huf", 17_501), ("twd", 2_001)),
        *(("kwd", 5_120), ("isk", 500), ("ugx", 100), ("clp", 1), ("idr", 10**12 - 1)),
        ("usd", 99_999_999),
    ],
)
def test_an_amount_at_its_bound_is_accepted(currency: str, amount: int) -> None:
    check_amount(amount, currency)


@given(st.sampled_from(CURRENCIES), st.integers(min_value=20_000, max_value=99_999_999))
def test_every_accepted_amount_can_be_paid_out_and_every_refused_one_cannot(
    currency: str, amount: int
) -> None:
    step = 10 if currency in ("bhd", "jod", "kwd", "omr", "tnd") else 1
    step = 100 if currency in ("isk", "ugx") else step

    try:
        check_last_digits(amount, currency)
        accepted = True
    except ApiError:
        accepted = False

    assert accepted == (amount % step == 0)


@pytest.mark.parametrize("currency", ["xxx", "zzz", "euro", "us", "us1", "", "usd ", "btc", "xau"])
def test_an_unknown_currency_is_refused_with_the_list_of_the_known(currency: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_currency(currency)

    assert (caught.value.status, caught.value.error["param"]) == (400, "currency")
    assert str(caught.value).startswith(
        f"Invalid currency: {currency}. Stripe currently supports these currencies: usd, aed, afn"
    )


def test_a_currency_in_capitals_is_the_same_currency() -> None:
    assert check_currency("KWD") == "kwd"


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [(5_120, "kwd", "5.120 kwd"), (500, "jpy", "¥500"), (123_456_789, "usd", "$1,234,567.89")],
)
def test_an_amount_is_written_with_the_decimals_of_its_currency(
    amount: int, currency: str, words: str
) -> None:
    assert in_words(amount, currency) == words


@pytest.mark.parametrize(
    ("types", "currency", "code", "param"),
    [
        (["cards"], "usd", "payment_intent_invalid_parameter", "payment_method_types"),
        (["card", "gold"], "usd", "payment_intent_invalid_parameter", "payment_method_types"),
        (["us_bank_account"], "eur", "payment_intent_invalid_currency", "currency"),
        (["card", "sepa_debit"], "usd", "payment_intent_invalid_currency", "currency"),
        (["customer_balance"], "chf", "payment_intent_invalid_currency", "currency"),
    ],
)
def test_a_type_that_is_none_or_not_for_the_currency_is_refused(
    types: list[str], currency: str, code: str, param: str
) -> None:
    with pytest.raises(ApiError) as caught:
        check_types(types, currency)

    assert (caught.value.code, caught.value.error["param"]) == (code, param)


def test_types_that_take_the_currency_are_accepted() -> None:
    check_types(["card", "us_bank_account", "link"], "usd")
    check_types(["card", "sepa_debit", "customer_balance"], "eur")


@pytest.mark.parametrize(
    "suffix", [*(f"BOOK {letter}" for letter in "<>\\'\"*"), "12345", "B" * 23, "КНИГИ", "A\nB"]
)
def test_a_suffix_that_no_statement_can_show_is_refused(suffix: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_descriptors(["card"], suffix=suffix)

    assert caught.value.error["param"] == "statement_descriptor_suffix"


@pytest.mark.parametrize("suffix", ["B", "ORDER 12345", "CAFÉ", "B" * 22])
def test_a_suffix_of_latin_letters_is_accepted(suffix: str) -> None:
    check_descriptors(["card"], suffix=suffix)


def test_a_whole_descriptor_is_for_everything_but_cards() -> None:
    check_descriptors(["us_bank_account"], whole="BOOKSHOP")
    with pytest.raises(ApiError) as caught:
        check_descriptors(["card", "us_bank_account"], whole="BOOKSHOP")

    assert caught.value.code == "payment_intent_invalid_parameter"
    assert caught.value.error["param"] == "statement_descriptor"
    assert "`statement_descriptor_suffix`" in str(caught.value)
    with pytest.raises(ApiError):
        check_descriptors(["us_bank_account"], whole="BOOK")


@pytest.mark.parametrize(
    "version",
    ["2024-06-20", "2011-01-01", "2025-03-31.basil", "2026-10-28.endive", "2026-11-25.endive"],
)
def test_a_version_that_there_can_be_is_accepted(version: str) -> None:
    check_version({"stripe-version": version}, NOW)


@pytest.mark.parametrize(
    "version",
    [
        *("yesterday", "2024-13-45", "2024-02-30", "1999-01-01", "2027-01-01.endive"),
        *("2025-03-31", "2025-03-31.marigold", "2024-06-20.basil", "2024-06-20 ", ""),
    ],
)
def test_a_version_that_there_never_was_is_refused(version: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_version({"stripe-version": version}, NOW)

    assert str(caught.value) == f"Invalid Stripe API version: {version}"
