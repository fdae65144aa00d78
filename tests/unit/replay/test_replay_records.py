"""A record as a line: what is compared of it, and why it is none of our events."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import pytest

from bookpayctl.replay import records
from bookpayctl.replay.records import COLUMNS, cells_of, line_of

VALUE = (
    b'{"event_id": "e-1", "root_event_id": "r-1", "order_id": "ord_1", "amount_cents": 4999,'
    b' "currency": "usd", "payment_intent_id": "pi_1"}'
)
HEADERS: dict[str, bytes | None] = {
    "event_id": b"e-1",
    "event_type": b"PaymentCompleted",
    "aggregate": b"payments",
    "aggregate_id": b"r-1",
    "tenant_id": b"acme",
    "created_at": b"2026-11-29T10:00:00.000000+00:00",
}


@dataclass
class Written:
    """A record as somebody wrote it."""

    body: bytes | None = VALUE
    own_headers: dict[str, bytes | None] | None = field(default_factory=lambda: dict(HEADERS))
    own_key: bytes | None = b"r-1"
    at: tuple[int, int] = (1, 1000)

    def topic(self) -> str:
        return "payments.completed"

    def partition(self) -> int:
        return 2

    def offset(self) -> int:
        return 7

    def timestamp(self) -> tuple[int, int]:
        return self.at

    def key(self) -> bytes | None:
        return self.own_key

    def value(self) -> bytes | None:
        return self.body

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return None if self.own_headers is None else list(self.own_headers.items())


def shown(record: Written) -> dict[str, Any]:
    return dict(zip(COLUMNS, cells_of(line_of(record)), strict=True))


def test_every_column_of_a_whole_record_is_filled() -> None:
    assert shown(Written()) == {
        "topic": "payments.completed",
        "partition_number": "2",
        "record_offset": "7",
        "recorded_ms": "1000",
        "record_key": "r-1",
        "event_id": "e-1",
        "payload_event_id": "e-1",
        "event_type": "PaymentCompleted",
        "aggregate": "payments",
        "aggregate_id": "r-1",
        "tenant_id": "acme",
        "created_text": "2026-11-29T10:00:00.000000+00:00",
        "replay": "",
        "payload_sha256": hashlib.sha256(VALUE).hexdigest(),
        "order_id": "ord_1",
        "root_event_id": "r-1",
        "amount": "4999",
        "currency": "usd",
        "payment_intent_id": "pi_1",
        "problem": "",
    }


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (Written(body=None), records.NO_VALUE),
        (Written(body=b""), records.NO_JSON),
        (Written(body=b'{"order_id": '), records.NO_JSON),
        (Written(body=b"\xff\xfe"), records.NO_JSON),
        (Written(body=b"[" * 100_000), records.NO_JSON),
        (Written(body=b"[1]"), records.NO_OBJECT),
        (Written(body=b"null"), records.NO_OBJECT),
        (Written(body=b'{"version": 2}'), records.UNKNOWN_VERSION),
        (Written(body=b'{"version": "1"}'), records.UNKNOWN_VERSION),
        (Written(body=b"{}", own_headers={"event_type": b"OrderPaid"}), records.NO_EVENT_ID),
        (Written(own_headers={**HEADERS, "event_type": b"OrderSung"}), records.UNKNOWN_TYPE),
        (Written(own_headers=None), records.UNKNOWN_TYPE),
    ],
)
def test_what_is_no_event_of_ours_says_why(record: Written, problem: str) -> None:
    assert shown(record)["problem"] == problem


def test_numbers_that_only_a_loose_reader_takes_are_read_as_the_services_read_them() -> None:
    line = shown(Written(body=b'{"event_id": "e-1", "odds": NaN, "amount_cents": true}'))

    assert (line["problem"], line["amount"]) == ("", "")


def test_a_record_of_change_data_capture_has_its_id_under_another_name() -> None:
    headers = {**HEADERS, "id": b"e-9"}
    del headers["event_id"]

    assert shown(Written(own_headers=headers))["event_id"] == "e-9"


def test_whatever_a_stranger_wrote_is_text_on_one_line() -> None:
    odd: dict[str, bytes | None] = {
        **HEADERS,
        "tenant_id": b"a\x00\r\n\x1fb\xff",
        "aggregate": None,
    }
    body = b'{"event_id": "e-1", "order_id": "\\u0000\\ud800"}'

    line = shown(Written(body=body, own_headers=odd, own_key=None, at=(0, -1)))

    assert line["tenant_id"] == "a\ufffd\ufffd\ufffd\ufffdb\ufffd"
    assert line["order_id"] in ("\ufffd?", "")
    assert (line["aggregate"], line["record_key"], line["recorded_ms"]) == ("", "", "")
