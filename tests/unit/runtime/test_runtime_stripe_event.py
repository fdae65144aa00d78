"""A signed body as an event: what is used, what is quarantined, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain.money import Money
from runtime.domain.names import StripeEventId
from runtime.domain.stripe_event import Invalid, Kind, Odd, StripeEvent, parse

ROOT = "11111111-2222-4333-8444-555555555555"


def event(**changes: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "request": {"id": "req_1", "idempotency_key": ROOT},
        "data": {
            "object": {
                "id": "pi_1",
                "object": "payment_intent",
                "status": "succeeded",
                "amount": 4999,
                "amount_received": 4999,
                "currency": "usd",
                "metadata": {"event_id": ROOT, "env": "test"},
            }
        },
        **changes,
    }


def parsed(document: object) -> object:
    return parse(json.dumps(document).encode())


def test_a_success_is_read_whole() -> None:
    assert parsed(event()) == StripeEvent(
        stripe_event_id=StripeEventId("evt_1"),
        type="payment_intent.succeeded",
        kind=Kind.SUCCEEDED,
        livemode=False,
        account=None,
        object_id="pi_1",
        status="succeeded",
        money=Money(4999, "usd"),
        metadata_event_id=ROOT,
        metadata_env="test",
        metadata_refund_id=None,
        shadow=False,
        idempotency_key=ROOT,
        failure_code=None,
        object_kind="payment_intent",
        amount_cents=4999,
        amount_received_cents=4999,
    )


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("payment_intent.succeeded", Kind.SUCCEEDED),
        ("payment_intent.payment_failed", Kind.FAILED),
        ("payment_intent.canceled", Kind.FAILED),
        ("payment_intent.processing", Kind.OPEN),
        ("payment_intent.requires_action", Kind.OPEN),
        ("refund.updated", Kind.REFUND),
        ("refund.failed", Kind.REFUND),
        ("charge.succeeded", Kind.OTHER),
        ("nobody.knows_this", Kind.OTHER),
    ],
)
def test_each_event_type_has_its_kind(event_type: str, kind: Kind) -> None:
    read = parsed(event(type=event_type))

    assert isinstance(read, StripeEvent)
    assert read.kind is kind


def test_a_failure_carries_the_code_the_charge_call_gives() -> None:
    document = event(type="payment_intent.payment_failed")
    document["data"]["object"]["last_payment_error"] = {"code": "card_declined"}

    read = parsed(document)

    assert isinstance(read, StripeEvent)
    assert read.failure_code == "card_declined"


def test_an_event_that_does_not_say_it_is_a_test_is_live() -> None:
    document = event()
    del document["livemode"]

    read = parsed(document)

    assert isinstance(read, StripeEvent)
    assert read.livemode


@pytest.mark.parametrize("said", [True, None, "false", 0])
def test_an_object_of_live_money_makes_its_event_live(said: object) -> None:
    document = event()
    document["data"]["object"]["livemode"] = said

    read = parsed(document)

    assert isinstance(read, StripeEvent)
    assert read.livemode


@pytest.mark.parametrize("kind", ["charge", None, 1])
def test_another_object_with_the_id_of_a_payment_intent_is_none(kind: object) -> None:
    document = event()
    document["data"]["object"]["object"] = kind

    read = parsed(document)

    assert isinstance(read, StripeEvent)
    assert read.payment_intent_id is None


@pytest.mark.parametrize("received", ["4999", 4999.0, True, None])
def test_a_received_amount_that_is_no_integer_is_none(received: object) -> None:
    document = event()
    document["data"]["object"]["amount_received"] = received

    read = parsed(document)

    assert isinstance(read, StripeEvent)
    assert read.amount_received_cents is None


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe{}",
        b"\xef\xbb\xbf" + json.dumps(event()).encode(),
        b"{",
        b"",
        b'{"id":"evt_1"} junk',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"id":"evt_1","id":"evt_2"}',
        b'{"data":{"x":1,"x":2}}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":9007199254740993}',
        b"[" * 33 + b"]" * 33,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
    ids=lambda body: repr(body[:16]),
)
def test_a_body_no_reader_should_accept_is_invalid(body: bytes) -> None:
    assert isinstance(parse(body), Invalid)


def test_brackets_inside_a_string_are_not_nesting() -> None:
    assert isinstance(parsed(event(note='[[[["' * 100)), StripeEvent)


def test_nesting_of_32_is_still_read() -> None:
    deep: Any = 1
    for _ in range(31):
        deep = [deep]

    assert isinstance(parsed(event(note=deep)), StripeEvent)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "not_an_object"),
        (None, "not_an_object"),
        (1, "not_an_object"),
        ("x", "not_an_object"),
        ({}, "no_event_id"),
        (event(id=None), "no_event_id"),
        (event(id=7), "no_event_id"),
        (event(id="pi_1"), "no_event_id"),
        (event(id="evt_" + "x" * 252), "no_event_id"),
        (event(type=None), "not_an_event"),
        (event(object="payment_intent"), "not_an_event"),
        (event(data=None), "no_object"),
        (event(data={"object": None}), "no_object"),
        ({"id": "evt_1", "object": "v2.core.event", "type": "v1.billing"}, "thin_event"),
        (event(note="a\x00b"), "unstorable_text"),
        (event(note="\ud800"), "unstorable_text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_signed_body_that_is_no_event_of_ours_is_odd(document: object, reason: str) -> None:
    assert parsed(document) == Odd(reason)


@pytest.mark.parametrize("amount", ["4999", 4999.0, True, None])
def test_an_amount_that_is_no_integer_is_no_amount(amount: object) -> None:
    document = event()
    document["data"]["object"]["amount"] = amount

    read = parsed(document)

    assert isinstance(read, StripeEvent)
    assert read.money is None


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_ever_raise(body: bytes) -> None:
    parse(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["id", "object", "type", "data", "request", "livemode", "account"]),
        json_values | st.sampled_from(["evt_1", "event", {"object": {"id": []}}]),
    )
)
def test_no_signed_object_ever_raises(document: dict[str, object]) -> None:
    parsed(document)
