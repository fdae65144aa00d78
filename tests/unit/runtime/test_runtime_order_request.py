"""What the orders API accepts before it asks the database, and the code of each refusal."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.adapters.store.orders import Item
from runtime.services.orders.problem import TITLES, Problem
from runtime.services.orders.request import (
    parse_cancel,
    parse_idempotency_key,
    parse_place_order,
)


def body(**changes: Any) -> dict[str, Any]:
    return {
        "items": [{"sku": "book-outbox", "quantity": 2}],
        "currency": "usd",
        "customer_id": "cust_1",
        **changes,
    }


def code_of(document: object) -> str:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(Problem) as refused:
        parse_place_order(raw)
    return refused.value.code


def test_a_whole_request_is_read() -> None:
    raw = json.dumps(body(payment_method="pm_card_visa", expected_total_cents=9998)).encode()

    wanted = parse_place_order(raw)

    assert wanted.items == (Item("book-outbox", 2),)
    assert (wanted.currency, wanted.customer_id) == ("usd", "cust_1")
    assert (wanted.payment_method, wanted.expected_total_cents) == ("pm_card_visa", 9998)
    assert wanted.sha256 == hashlib.sha256(raw).digest()


def test_items_are_ordered_by_sku_so_that_locks_are_taken_in_one_order() -> None:
    items = [{"sku": "b", "quantity": 1}, {"sku": "a", "quantity": 1}]

    wanted = parse_place_order(json.dumps(body(items=items)).encode())

    assert [item.sku for item in wanted.items] == ["a", "b"]


@pytest.mark.parametrize("field", ["status", "paid", "price", "payment_intent_id", "id"])
def test_a_field_that_is_ours_to_decide_is_refused(field: str) -> None:
    assert code_of(body(**{field: "paid"})) == "unknown_field"
    assert code_of(body(items=[{"sku": "a", "quantity": 1, field: 1}])) == "unknown_field"


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "key_missing"),
        ("", "key_invalid"),
        ("x" * 256, "key_invalid"),
        ("a\x00b", "key_invalid"),
        ("a b", "key_invalid"),
        ("a\n", "key_invalid"),
        ("ключ", "key_invalid"),
    ],
)
def test_a_key_that_is_none_is_refused(key: str | None, code: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_idempotency_key([] if key is None else [key])

    assert refused.value.code == code


def test_two_keys_are_no_key() -> None:
    with pytest.raises(Problem) as refused:
        parse_idempotency_key(["a", "a"])

    assert refused.value.code == "key_invalid"


@pytest.mark.parametrize("key", ["x", "x" * 255, "!~"])
def test_a_printable_ascii_key_is_taken_as_it_is(key: str) -> None:
    assert parse_idempotency_key([key]) == key


@pytest.mark.parametrize("amount", [0, -1, 1.5, "500", True, 2**63, None, 100_000_000])
def test_an_expected_total_that_is_no_amount_is_refused(amount: Any) -> None:
    assert code_of(body(expected_total_cents=amount)) == "amount_invalid"


def test_an_expected_total_in_scientific_notation_is_refused() -> None:
    raw = json.dumps(body(expected_total_cents=777)).replace("777", "1e3").encode()

    assert code_of(raw) == "amount_invalid"


@pytest.mark.parametrize("currency", ["usd ", "USDX", "USD", "us", "", "u1d", "uśd", 7, None])
def test_a_currency_that_is_no_lower_case_code_is_refused(currency: Any) -> None:
    assert code_of(body(currency=currency)) == "currency_invalid"


@pytest.mark.parametrize("quantity", [0, -1, 1_000_000_000, 1001, 1.0, "2", True, None])
def test_a_quantity_outside_1_to_1000_is_refused(quantity: Any) -> None:
    assert code_of(body(items=[{"sku": "a", "quantity": quantity}])) == "qty_invalid"


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([], "items_empty"),
        (None, "items_invalid"),
        ({"sku": "a"}, "items_invalid"),
        (["a"], "items_invalid"),
        ([{"sku": f"s{n}", "quantity": 1} for n in range(101)], "items_too_many"),
        ([{"sku": "a", "quantity": 1}, {"sku": "a", "quantity": 2}], "sku_duplicate"),
        ([{"quantity": 1}], "text_invalid"),
        ([{"sku": "", "quantity": 1}], "text_invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_items_that_are_no_order_are_refused(items: Any, code: str) -> None:
    assert code_of(body(items=items)) == code


@pytest.mark.parametrize(
    "text",
    [
        *("", "x" * 256, "a\x00b", "line\nbreak", "tab\t", "\x7f"),
        *("\u202eevil", "\u2028", "\ufeffbom", "\ud800", "\ue000"),
        *(7, None, ["x"]),
    ],
    ids=ascii,
)
def test_a_text_that_could_fool_a_reader_is_refused(text: Any) -> None:
    assert code_of(body(customer_id=text)) == "text_invalid"


@pytest.mark.parametrize(
    "text",
    ["😀", "Zoë", "'; DROP TABLE orders;--", '{"$gt":""}', "{{7*7}}", "<script>", "日本語"],
)
def test_a_text_that_is_only_unusual_is_taken_literally(text: str) -> None:
    wanted = parse_place_order(json.dumps(body(customer_id=text)).encode())

    assert wanted.customer_id == text


@pytest.mark.parametrize("method", ["http://169.254.169.254/", "card", "pm_é", "", 7])
def test_a_payment_method_that_is_no_id_is_refused(method: Any) -> None:
    assert code_of(body(payment_method=method)) == "text_invalid"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        json.dumps(body()).encode()[:-1],
        json.dumps(body()).encode() + b"{}",
        b'{"currency":"usd","currency":"eur"}',
        b'{"currency":NaN}',
        b'{"currency":Infinity}',
        b"[" * 30_000,
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_a_body_that_is_not_one_strict_json_object_is_refused(raw: bytes) -> None:
    assert code_of(raw) == "body_invalid"


def test_deep_nesting_is_refused_quickly() -> None:
    began = time.perf_counter()

    code = code_of(b'{"items":' + b"[" * 60_000)

    assert code == "body_invalid"
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("reason", ["", "x" * 201, "a\x00", "\u202e", 7, None])
def test_a_cancellation_without_a_readable_reason_is_refused(reason: Any) -> None:
    with pytest.raises(Problem) as refused:
        parse_cancel(json.dumps({"reason": reason}).encode())

    assert refused.value.code == "reason_invalid"


def test_a_cancellation_says_why_and_nothing_else() -> None:
    assert parse_cancel(b'{"reason":"changed my mind"}') == "changed my mind"
    with pytest.raises(Problem) as refused:
        parse_cancel(b'{"reason":"x","status":"paid"}')
    assert refused.value.code == "unknown_field"


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_known_code(raw: bytes) -> None:
    code = "read"

    try:
        parse_place_order(raw)
    except Problem as refused:
        code = refused.code

    assert code in {"read", *TITLES}


@pytest.mark.parametrize("code", TITLES)
def test_a_problem_document_has_its_status_and_code(code: str) -> None:
    problem = Problem(code)
    document = json.loads(problem.body())

    assert document["code"] == code
    assert document["status"] == problem.status
    assert 400 <= problem.status <= 503


def test_a_503_says_when_to_come_back_and_a_401_how() -> None:
    assert Problem("unavailable").headers() == {"Retry-After": "1"}
    assert Problem("unauthorized").headers() == {"WWW-Authenticate": "Bearer"}
