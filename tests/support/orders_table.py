"""The table of the orders API: what is asked, O01 to O31, and which answer is right.

Written by hand; requests that need more than one have tests of their own beside it.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.support.stack import PRICE_CENTS

TOKEN, OTHER_TOKEN, EXPIRED_TOKEN = "token-acme", "token-other", "token-expired"
JSON = "Content-Type: application/json"
CHECKED_AWAY = "http://169.254.169.254/latest/meta-data"


@dataclass(frozen=True)
class Ask:
    """A request's parts; what is left out is as an honest client writes it."""

    body: bytes | dict[str, Any] | None = None
    method: str = "POST"
    path: str = "/orders"
    token: str | None = TOKEN
    key: str | None = "fresh"
    content_type: str | None = JSON
    headers: tuple[str, ...] = ()
    sku: str = "book"

    def encode(self) -> bytes:
        raw = self.raw_body()
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1", *self.headers]
        if self.token is not None:
            lines.append(f"Authorization: Bearer {self.token}")
        if self.key is not None:
            lines.append(f"Idempotency-Key: {uuid4().hex if self.key == 'fresh' else self.key}")
        if self.content_type and self.method == "POST":
            lines.append(self.content_type)
        lines.append(f"Content-Length: {len(raw)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw

    def raw_body(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.method == "GET" else json.dumps(order(**(self.body or {}))).encode()


def order(**changes: Any) -> dict[str, Any]:
    plain = {"items": [item()], "currency": "usd", "customer_id": "cust_1"}
    return {**plain, **changes}


def item(sku: str = "book", quantity: Any = 1) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity}


def literal(**texts: str) -> bytes:
    """An order with numbers written as no library would write them."""
    document = json.dumps(order(**{name: f"@{name}@" for name in texts}))
    for name, text in texts.items():
        document = document.replace(f'"@{name}@"', text)
    return document.encode()


Answer = tuple[int, str]


@dataclass(frozen=True)
class Line:
    """One line of the table: what is asked and which answer is right."""

    case: str
    name: str
    ask: Ask
    answer: Answer
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.case} {self.name}")


def lines(case: str, answer: Answer, /, **asks: Ask) -> list[Line]:
    """Lines of one case with one answer."""
    return [Line(case, name.replace("_", " "), ask, answer) for name, ask in asks.items()]


def cancel(**parts: Any) -> Ask:
    return Ask(method="POST", path="/orders/ord_x/cancel", key=None, **parts)


TABLE: list[Line] = [
    *lines(
        *("O01", (401, "unauthorized")),
        no_token=Ask(token=None),
        a_garbage_token=Ask(token="garbage"),
        an_expired_token=Ask(token=EXPIRED_TOKEN),
        another_scheme=Ask(token=None, headers=("Authorization: Basic dXNlcg==",)),
        a_garbage_token_and_a_bad_body=Ask(b"{", token="garbage"),
        a_garbage_token_and_no_key=Ask(token="garbage", key=None),
        no_token_to_read=Ask(method="GET", path="/orders/ord_x", token=None),
        no_token_to_cancel=cancel(token=None),
        a_token_that_is_not_ascii=Ask(token="tökén"),
    ),
    *lines(
        *("O02", (404, "not_found")),
        another_tenants_order=Ask(method="GET", path="/orders/@theirs@"),
        cancelling_it=Ask(b'{"reason":"mine"}', path="/orders/@theirs@/cancel", key=None),
    ),
    *lines(
        *("O03", (404, "not_found")),
        **{
            f"the_route_{name}": Ask(method="GET", path=path)
            for name, path in {
                "admin": "/admin",
                "quarantine": "/ops/quarantine",
                "docs": "/docs",
                "redrive": "/dlq/1/redrive",
            }.items()
        },
    ),
    *lines(
        *("O04", (422, "unknown_field")),
        **{
            f"setting_{name}": Ask({name: value})
            for name, value in {
                "status": "paid",
                "paid": True,
                "unit_price_cents": 1,
                "total_cents": 1,
                "payment_intent_id": "pi_1",
                "tenant_id": "other",
                "id": "ord_1",
            }.items()
        },
        a_price_in_an_item=Ask({"items": [{**item(), "unit_price_cents": 1}]}),
        a_status_when_cancelling=cancel(body=b'{"reason":"x","status":"refunded"}'),
    ),
    *lines("O05", (400, "key_missing"), no_key=Ask(key=None)),
    *lines(
        *("O06", (400, "key_invalid")),
        an_empty_key=Ask(key=""),
        a_key_of_256=Ask(key="x" * 256),
        a_space_in_the_key=Ask(key="a b"),
        a_tab_in_the_key=Ask(key="a\tb"),
        a_key_that_is_not_ascii=Ask(key="ключ"),
        two_keys=Ask(key="a", headers=("Idempotency-Key: b",)),
    ),
    *lines("O06", (400, "request_malformed"), a_control_in_the_key=Ask(key="a\x01b")),
    *lines(
        *("O11", (422, "amount_invalid")),
        zero=Ask(literal(expected_total_cents="0")),
        minus_one=Ask(literal(expected_total_cents="-1")),
        a_fraction=Ask(literal(expected_total_cents="1.5")),
        a_text=Ask(literal(expected_total_cents='"500"')),
        true=Ask(literal(expected_total_cents="true")),
        an_exponent=Ask(literal(expected_total_cents="1e3")),
        two_to_the_63rd=Ask(literal(expected_total_cents=str(2**63))),
        five_thousand_digits=Ask(literal(expected_total_cents="9" * 5000)),
        null=Ask(literal(expected_total_cents="null")),
        infinity_by_exponent=Ask(literal(expected_total_cents="1e999")),
    ),
    *lines(
        *("O12", (422, "price_mismatch")),
        a_cent_less=Ask({"expected_total_cents": PRICE_CENTS - 1}),
        a_cent_more=Ask({"expected_total_cents": PRICE_CENTS + 1}),
    ),
    *lines(
        *("O13", (422, "currency_invalid")),
        **{
            f"the_currency_{name}": Ask({"currency": value})
            for name, value in {
                "with_a_space": "usd ",
                "of_four": "USDX",
                "in_upper_case": "USD",
                "not_priced": "jpy",
                "null": None,
                "a_number": 840,
                "not_ascii": "us\u0111",
            }.items()
        },
    ),
    *lines(
        *("O13", (422, "amount_invalid")),
        jpy_with_decimals=Ask(literal(currency='"jpy"', expected_total_cents="10.50")),
    ),
    *lines(
        *("O14", (422, "qty_invalid")),
        **{
            f"the_quantity_{name}": Ask({"items": [item(quantity=value)]})
            for name, value in {
                "zero": 0,
                "minus_one": -1,
                "a_billion": 10**9,
                "beyond_64_bits": 2**64,
                "a_text": "1",
                "true": True,
                "a_fraction": 1.5,
            }.items()
        },
    ),
    *lines("O15", (422, "items_empty"), no_items=Ask({"items": []})),
    *lines(
        *("O16", (422, "unknown_field")),
        a_negative_coupon=Ask({"coupon": {"amount_cents": -500}}),
        a_refund_over_what_was_paid=cancel(body=b'{"reason":"x","refund_cents":999999}'),
    ),
    *lines(
        *("O17", (422, "items_too_many")),
        of_101_items=Ask({"items": [item(f"s{n}") for n in range(101)]}),
    ),
    *lines(
        *("O17", (413, "body_too_large")),
        of_10001_items=Ask({"items": [item()] * 10_001}),
        of_65_kib=Ask(b" " * (65 * 1024)),
    ),
    *lines("O18", (422, "sku_unknown"), an_unknown_book=Ask({"items": [item("nope")]})),
    *lines("O19", (422, "sku_duplicate"), a_book_twice=Ask({"items": [item(), item()]})),
    *lines("O20", (409, "out_of_stock"), more_than_there_are=Ask({"items": [item("scarce", 2)]})),
    *lines(
        *("O21", (422, "text_invalid")),
        **{
            f"the_text_{name}": Ask({"customer_id": value})
            for name, value in {
                "with_nul": "a\x00b",
                "with_a_bidi_override": "\u202eevil",
                "with_a_newline": "a\nb",
                "with_a_control": "a\x07b",
                "with_half_a_surrogate_pair": "\ud800",
                "of_256": "x" * 256,
                "empty": "",
            }.items()
        },
    ),
    *lines(
        *("O23", (400, "body_invalid")),
        empty=Ask(b""),
        truncated=Ask(json.dumps(order()).encode()[:-1]),
        junk_behind=Ask(json.dumps(order()).encode() + b"{}"),
        a_name_twice=Ask(b'{"currency":"usd","currency":"eur"}'),
        nan=Ask(b'{"currency":NaN}'),
        a_list=Ask(b"[]"),
        not_utf8=Ask(b"\xff\xfe"),
        a_bom=Ask(b"\xef\xbb\xbf{}"),
        half_a_body_to_cancel=cancel(body=b"{"),
    ),
    *lines(
        *("O24", (400, "body_invalid")),
        arrays_of_60000=Ask(b"[" * 60_000),
        objects_of_10000=Ask(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    ),
    *lines("O24", (413, "body_too_large"), arrays_of_100000=Ask(b"[" * 100_000)),
    *lines(
        *("O25", (415, "content_type")),
        text=Ask(content_type="Content-Type: text/plain"),
        nothing=Ask(content_type=None),
        two_types=Ask(headers=("Content-Type: text/plain",)),
        a_gzip_bomb=Ask(gzip.compress(b" " * 10_000_000), headers=("Content-Encoding: gzip",)),
        text_to_cancel=cancel(content_type="Content-Type: text/plain"),
    ),
    *lines(
        *("O26", (405, "method_not_allowed")),
        listing=Ask(method="GET"),
        putting=Ask(method="PUT", path="/orders/ord_x"),
        deleting=Ask(method="DELETE", path="/orders/ord_x"),
        patching=Ask(method="PATCH", path="/orders/ord_x"),
        reading_a_cancellation=Ask(method="GET", path="/orders/ord_x/cancel"),
    ),
    *lines(
        *("O26", (404, "not_found")),
        another_path=Ask(method="GET", path="/"),
        a_slash_behind=Ask(method="GET", path="/orders/"),
    ),
    *lines(
        *("O29", (404, "not_found")),
        **{
            f"the_id_{name}": Ask(method="GET", path=f"/orders/{path}")
            for name, path in {
                "of_nobody": "ord_nobody",
                "malformed": "11111111-1111",
                "climbing": "..%2f..%2fetc%2fpasswd",
                "climbing_plainly": "../../etc/passwd",
                "with_nul": "%00",
                "of_300": "x" * 300,
                "not_utf8": "%ff%fe",
                "injected": "'%20OR%201=1--",
            }.items()
        },
    ),
    *lines(
        *("O30", (422, "unknown_field")),
        a_callback=Ask({"callback_url": CHECKED_AWAY}),
        a_return_url=Ask({"return_url": "http://localhost/"}),
    ),
    *lines(
        *("O30", (422, "text_invalid")),
        an_address_for_a_method=Ask({"payment_method": CHECKED_AWAY}),
    ),
    *lines(
        *("O31", (431, "head_too_large")),
        two_hundred_headers=Ask(headers=tuple(f"X-N-{n}: 1" for n in range(200))),
        a_header_of_100_kib=Ask(headers=(f"X-Long: {'x' * 100_000}",)),
        a_target_of_100_kib=Ask(method="GET", path="/orders/" + "x" * 100_000),
    ),
]

# Lines that need more than one request; each has a test of its own below or beside.
ELSEWHERE = {"O07", "O08", "O09", "O10", "O22", "O27", "O28", "O32"}
