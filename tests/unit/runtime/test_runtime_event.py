"""Events on the wire: what a record must hold, and what we write into the outbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain.event import (
    Malformed,
    ReceivedEvent,
    Record,
    order_event,
    parse_record,
    payment_event,
    root_of_event,
    traceparent,
)
from runtime.domain.money import Money
from runtime.domain.names import EventId, EventType, OrderId, TenantId, derive_event_id, trace_id

ROOT = EventId(UUID("11111111-2222-4333-8444-555555555555"))
CHILD = EventId(UUID("99999999-8888-4777-8666-555555555555"))
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def record(value: bytes | None, headers: dict[str, str] | None = None) -> Record:
    tenant = {"tenant_id": "acme"} if headers is None else headers
    return Record("orders.placed", 0, 7, b"key", value, tenant)


def payload(**changes: Any) -> dict[str, Any]:
    return {
        "event_id": str(ROOT),
        "root_event_id": str(ROOT),
        "order_id": "ord_1",
        "amount_cents": 4999,
        "currency": "usd",
        **changes,
    }


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in payload().items() if key != name}


def parsed(body: object, headers: dict[str, str] | None = None) -> ReceivedEvent | Malformed:
    return parse_record(record(json.dumps(body).encode(), headers))


def test_a_whole_record_is_read() -> None:
    read = parsed(payload())

    assert isinstance(read, ReceivedEvent)
    assert (read.event_id, read.root, read.order_id) == (ROOT, ROOT, "ord_1")
    assert (read.tenant_id, read.money) == ("acme", Money(4999, "usd"))


def test_a_payload_without_a_root_is_its_own_root() -> None:
    read = parsed(without("root_event_id"))

    assert isinstance(read, ReceivedEvent)
    assert read.root == ROOT


def test_a_derived_event_names_its_root() -> None:
    read = parsed(payload(event_id=str(CHILD)))

    assert isinstance(read, ReceivedEvent)
    assert (read.event_id, read.root) == (CHILD, ROOT)


@pytest.mark.parametrize("header", ["event_id", "id"])
def test_the_event_id_may_come_from_our_header_or_debeziums(header: str) -> None:
    body = without("event_id")

    read = parsed(body, {"tenant_id": "acme", header: str(CHILD)})

    assert isinstance(read, ReceivedEvent)
    assert read.event_id == CHILD


def test_the_tenant_may_stand_in_the_payload() -> None:
    read = parsed(payload(tenant_id="globex"), headers={})

    assert isinstance(read, ReceivedEvent)
    assert read.tenant_id == "globex"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null_value"),
        (b"x" * 900_001, "too_large"),
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"\xff\xfe\xfd", "bad_json"),
        (b"9" * 5000, "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_that_is_no_object_is_malformed(value: bytes | None, reason: str) -> None:
    assert parse_record(record(value)) == Malformed(reason)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (payload(version=2), "unknown_version"),
        (payload(version="1"), "unknown_version"),
        (without("event_id"), "event_id"),
        (payload(event_id="nonsense"), "event_id"),
        (payload(event_id=7), "event_id"),
        (payload(root_event_id="nonsense"), "root_event_id"),
        (payload(root_event_id=None), "root_event_id"),
        (without("order_id"), "order_id"),
        (payload(order_id=""), "order_id"),
        (payload(order_id=7), "order_id"),
        (payload(order_id="a\x00b"), "order_id"),
        (payload(order_id="\ud800"), "order_id"),
        (payload(order_id="x" * 256), "order_id"),
        (without("amount_cents"), "amount"),
        (payload(amount_cents=0), "amount"),
        (payload(amount_cents=-1), "amount"),
        (payload(amount_cents=1.5), "amount"),
        (payload(amount_cents=True), "amount"),
        (payload(amount_cents="4999"), "amount"),
        (payload(amount_cents=100_000_000), "amount"),
        (payload(currency="USD"), "amount"),
        (payload(currency="usd "), "amount"),
        (payload(currency=None), "amount"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_that_cannot_be_one_is_named(body: dict[str, Any], reason: str) -> None:
    assert parsed(body) == Malformed(reason)


@pytest.mark.parametrize("headers", [{}, {"tenant_id": ""}, {"tenant_id": "a\x00"}])
def test_an_event_belongs_to_somebody(headers: dict[str, str]) -> None:
    assert parsed(payload(), headers) == Malformed("tenant_id")


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.none(), st.binary(max_size=300)))
def test_no_bytes_ever_raise(value: bytes | None) -> None:
    parse_record(record(value))


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(str(ROOT))


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*payload(), "version", "tenant_id"]), values),
    st.dictionaries(st.sampled_from(["event_id", "id", "tenant_id"]), st.text()),
)
def test_no_object_and_no_headers_ever_raise(
    body: dict[str, object], headers: dict[str, str]
) -> None:
    read = parsed(payload(**body), headers)

    assert isinstance(read, ReceivedEvent | Malformed)


# --- what we write --------------------------------------------------------------------------


def test_order_placed_is_its_own_root() -> None:
    event = order_event(
        EventType.ORDER_PLACED,
        root=ROOT,
        order_id=OrderId("ord_1"),
        tenant_id=TenantId("acme"),
        money=Money(4999, "usd"),
        at=AT,
        extra={"customer_id": "c1", "payment_method": None},
    )

    assert (event.event_id, event.aggregate, event.aggregate_id) == (ROOT, "orders", "ord_1")
    assert event.payload == {
        "event_id": str(ROOT),
        "root_event_id": str(ROOT),
        "order_id": "ord_1",
        "occurred_at": "2026-03-01T12:00:00+00:00",
        "amount_cents": 4999,
        "currency": "usd",
        "customer_id": "c1",
    }


def test_a_payment_event_belongs_to_its_root_and_has_a_derived_id() -> None:
    event = payment_event(
        EventType.PAYMENT_COMPLETED,
        root=ROOT,
        order_id=OrderId("ord_1"),
        tenant_id=TenantId("acme"),
        money=Money(4999, "usd"),
        at=AT,
        extra={"payment_intent_id": "pi_1"},
    )

    assert (event.aggregate, event.aggregate_id) == ("payments", str(ROOT))
    assert event.event_id == uuid5(ROOT, "PaymentCompleted")
    assert event.payload["root_event_id"] == str(ROOT)


def test_a_derived_id_repeats_and_its_number_tells_repeats_apart() -> None:
    first = derive_event_id(ROOT, EventType.PAYMENT_PARKED, 1)

    assert first == derive_event_id(ROOT, EventType.PAYMENT_PARKED, 1)
    assert first == uuid5(ROOT, "PaymentParked:1")
    assert first != derive_event_id(ROOT, EventType.PAYMENT_PARKED, 2)


@pytest.mark.parametrize("root", [None, "", "nonsense"])
def test_an_event_with_an_unusable_root_is_keyed_by_its_own_id(root: str | None) -> None:
    assert root_of_event(root, CHILD) == CHILD


def test_the_trace_is_the_roots_and_the_span_is_the_events() -> None:
    assert trace_id(ROOT) == "11111111222243338444555555555555"
    assert traceparent(ROOT, CHILD) == "00-11111111222243338444555555555555-9999999988884777-01"
