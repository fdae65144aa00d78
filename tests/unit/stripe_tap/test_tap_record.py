"""The tap keeps what is held against our rows, and nothing that could pay or sign."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest

from bookpayctl.stripe_tap.record import NOT_KEPT, Kept, clean, kept_of_body

FORM = "application/x-www-form-urlencoded"


def kept(body: str, content_type: str = FORM) -> Kept:
    return kept_of_body(body.encode(), content_type=content_type, whole=True)


def test_what_our_gateway_sends_is_kept_whole() -> None:
    body = (
        "amount=4999&currency=usd&confirm=true&payment_method=pm_card_visa"
        "&payment_method_types[0]=card&metadata[event_id]=0f8fad5b-d9cb-469f-a165-70867728950e"
        "&metadata[order_id]=ord_1"
    )

    found = kept(body)

    assert found.parameters == {
        "amount": "4999",
        "currency": "usd",
        "confirm": "true",
        "payment_method": "pm_card_visa",
        "payment_method_types[0]": "card",
        "metadata[event_id]": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "metadata[order_id]": "ord_1",
    }
    assert found.body_sha256 == hashlib.sha256(body.encode()).hexdigest()


@pytest.mark.parametrize(
    "body",
    [
        "card[number]=4242424242424242&card[cvc]=123",
        "source[number]=4000-0000-0000-0002",
        "metadata[note]=4242 4242 4242 4242",
        "metadata[card4242424242424242]=x",
        "client_secret=pi_1_secret_abcdef",
        "metadata[x]=sk_test_abcdef",
        "metadata[x]=whsec_abcdef",
        "receipt_email=someone@example.com",
        "a_parameter_of_next_year=4000",
    ],
)
def test_what_is_not_known_or_looks_like_a_secret_is_not_kept_and_not_hashed(body: str) -> None:
    found = kept(body)

    shown = str(found.parameters)
    assert NOT_KEPT in shown
    assert found.body_sha256 is None
    for part in ("4242", "0002", "123", "abcdef", "someone", "4000"):
        assert part not in shown


@pytest.mark.parametrize(
    ("body", "content_type"), [('{"amount": 1}', "application/json"), ("\udcff", FORM)]
)
def test_a_body_that_is_no_form_is_only_said_to_be_there(body: str, content_type: str) -> None:
    data = body.encode("utf-8", "surrogateescape")

    found = kept_of_body(data, content_type=content_type, whole=True)

    assert found == Kept({"body": NOT_KEPT}, None)


def test_a_name_that_comes_twice_keeps_both_values() -> None:
    assert kept("expand[]=a&expand[]=b").parameters == {"expand[]": ["a", "b"]}


@pytest.mark.parametrize("last", range(100))
def test_a_key_of_digits_alone_is_no_card_number(last: int) -> None:
    """One number in ten passes the check of card numbers; a key is kept all the same."""
    key = str(UUID(f"12345678-1234-4234-8234-1234567890{last:02d}"))

    assert clean(f"{key}:cancel") == f"{key}:cancel"
    assert clean(f"ord_42424242424242{last:02d}") == f"ord_42424242424242{last:02d}"
