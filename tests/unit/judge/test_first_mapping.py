"""A mapping guessed from a catalogue: what it takes, marks, and leaves to a person."""

from __future__ import annotations

import tomllib

import pytest

from bookpayctl.judge.mapping.guess import GUESS, first_mapping
from bookpayctl.judge.mapping.loading import mapping_of
from bookpayctl.judge.mapping.mask import masked
from bookpayctl.judge.readers.catalogue import CatalogueColumn, CatalogueTable

C = CatalogueColumn
ORDERS = CatalogueTable(
    "public",
    "Orders",
    (
        C("id", "int8", "N"),
        C("total", "numeric", "N"),
        C("currency", "bpchar", "S"),
        C("status", "order_status", "E", ("open", "done", "on hold")),
        C("created_at", "timestamptz", "D"),
        C("email", "text", "S"),
    ),
)
PAYMENTS = CatalogueTable(
    "shop",
    "payments",
    (
        C("id", "uuid", "U"),
        C("order_id", "int8", "N"),
        C("amount_cents", "int4", "N"),
        C("status", "text", "S"),
        C("stripe_payment_intent_id", "text", "S"),
    ),
)


def test_a_first_mapping_loads_and_marks_every_guess() -> None:
    text = first_mapping("shop", [ORDERS, PAYMENTS])

    mapping = mapping_of(text)
    assert list(mapping.tables) == ["orders", "payments"]
    assert 'FROM public."Orders"' in mapping.tables["orders"].select
    assert "stripe_payment_intent_id AS payment_intent_id" in mapping.tables["payments"].select
    assert mapping.tables["orders"].translate["status"] == {"open": "pending", "done": "paid"}
    guessed = [line for line in text.splitlines() if line.endswith(GUESS)]
    assert len(guessed) > 2


def test_a_first_mapping_takes_money_by_its_type_and_no_personal_column() -> None:
    tables = mapping_of(first_mapping("shop", [ORDERS, PAYMENTS])).tables

    assert (tables["orders"].money, tables["payments"].money) == ("major", "minor")
    assert "email" not in tables["orders"].select


def test_a_first_mapping_declares_nothing_absent_by_itself() -> None:
    text = first_mapping("shop", [ORDERS])

    assert mapping_of(text).absent == {}
    assert '# outbox = "there is none"' in text
    assert "# It lacks" not in text


def test_a_database_without_orders_gets_a_mapping_that_says_so() -> None:
    text = first_mapping("shop", [])

    assert "No table is named like orders" in text
    assert list(tomllib.loads(text)["tables"]) == ["orders"]


def test_a_word_that_means_nothing_known_is_left_to_a_person() -> None:
    text = first_mapping("shop", [ORDERS])

    assert '# "on hold" = one of pending, paid, cancelled, refunded' in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("ada.lovelace@example.org", "xxx.xxxxxxxx@xxxxxxx.xxx"),
        ("ord_4711", "xxx_9999"),
        (None, "NULL"),
        (True, "true"),
        (49.99, "99.99"),
        ("x" * 60, "x" * 24 + "…"),
        ("a\x1b[31m\u0301", "x?[99x?"),
    ],
)
def test_a_masked_value_has_its_shape_and_none_of_its_content(value: object, shown: str) -> None:
    assert masked(value) == shown
