"""Shadow mode: our own call is made and written down, and only v1's outcome reaches anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from tests.support.http_client import Answer, http
from tests.support.stack import Shop, Stack, post_charge
from tests.support.twin import Twin
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def shadowing(stack: Stack) -> Iterator[None]:
    """The gateway runs in shadow mode until this file's tests have ended."""
    gateway = stack["gateway"]
    usual = gateway.variables
    gateway.stop()
    gateway.variables = {**usual, "SHADOW_MODE": "true"}
    gateway.start().wait_ready()
    yield
    gateway.stop()
    gateway.variables = usual
    gateway.start().wait_ready()


@pytest.fixture
def shadowed(shadowing: None, shop: Shop) -> Shop:
    """A shop whose payments only v1 decides."""
    return shop


def comparison(shop: Shop, event_id: UUID) -> tuple[Any, ...]:
    """v1's outcome, ours, our code; Nones while there is nothing."""
    found = shop.database.rows(
        "SELECT v1_outcome, v2_outcome, v2_code FROM shadow_comparisons WHERE event_id = %s",
        event_id,
    )
    return found[0] if found else (None, None, None)


def say_v1(shop: Shop, event_id: UUID, outcome: str, **fields: str) -> None:
    shop.database.run(
        "INSERT INTO shadow_comparisons (event_id, v1_outcome, v1_payment_intent_id, v1_code,"
        " v1_source, v1_recorded_at) VALUES (%s, %s, %s, %s, 'import', clock_timestamp())"
        " ON CONFLICT (event_id) DO UPDATE SET v1_outcome = excluded.v1_outcome,"
        " v1_payment_intent_id = excluded.v1_payment_intent_id, v1_code = excluded.v1_code",
        *(event_id, outcome, fields.get("payment_intent_id"), fields.get("code")),
    )


def charge(shop: Shop, event_id: UUID, header: str | None) -> Answer:
    """POST /charge as a mirror of v1's traffic would."""
    said = {} if header is None else {"X-V1-Outcome": header}
    return post_charge(shop.stack["gateway"], event_id, **said)


def test_without_v1_the_payment_waits_though_stripe_has_answered(
    shadowed: Shop, twin: Twin
) -> None:
    """It waits for as long as v1 takes: more looks than refusals would be allowed."""
    order_id, event_id = shadowed.place()
    eventually(
        lambda: comparison(shadowed, event_id)[1] == "settled", "our own call is written down"
    )
    shadowed.database.run(
        "UPDATE payments SET started_attempts = started_attempts + 9,"
        " finished_attempts = finished_attempts + 9 WHERE event_id = %s AND state = 'pending'",
        event_id,
    )

    assert shadowed.status(order_id) == "pending"
    assert shadowed.database.payment_state(event_id) in ("pending", "charging")
    transient = shadowed.database.value(
        "SELECT transient_failures FROM payments WHERE event_id = %s", event_id
    )
    assert transient == 0
    (post,) = twin.posts(event_id)
    assert post["idempotency_key"] == str(event_id)
    say_v1(shadowed, event_id, "settled", payment_intent_id="pi_v1_took_it")
    shadowed.wait_status(order_id, "paid")


def test_v1_decides_and_a_mismatch_is_on_record(shadowed: Shop) -> None:
    order_id, event_id = shadowed.place()
    say_v1(shadowed, event_id, "declined", code="insufficient_funds")

    shadowed.wait_status(order_id, "cancelled")

    assert shadowed.database.payment(event_id)["failure_code"] == "insufficient_funds"
    assert comparison(shadowed, event_id) == ("declined", "settled", None)


def test_a_shadow_charge_is_marked_and_its_webhook_moves_nothing(
    shadowed: Shop, twin: Twin
) -> None:
    order_id, event_id = shadowed.place()
    intent = eventually(
        lambda: shadowed.database.value(
            "SELECT v2_detail->>'payment_intent_id' FROM shadow_comparisons WHERE event_id = %s",
            event_id,
        ),
        "our own call is written down",
    )

    eventually(
        lambda: shadowed.database.rows(
            "SELECT 1 FROM stripe_events WHERE object_id = %s AND processed_at IS NOT NULL", intent
        ),
        "its webhook came",
    )

    assert twin.payment_intent(intent)["metadata"]["shadow"] == "true"
    assert shadowed.status(order_id) == "pending"
    assert shadowed.database.outcomes(event_id) == []
    say_v1(shadowed, event_id, "settled", payment_intent_id=f"pi_v1_{event_id.hex}")
    shadowed.wait_status(order_id, "paid")
    assert shadowed.database.payment(event_id)["payment_intent_id"] != intent


def test_a_refund_waits_for_the_end_of_the_shadow(shadowed: Shop, twin: Twin) -> None:
    order_id, event_id = shadowed.place()
    say_v1(shadowed, event_id, "settled", payment_intent_id=f"pi_v1_{event_id.hex}")
    shadowed.wait_status(order_id, "paid")

    shadowed.cancel(order_id)
    eventually(
        lambda: shadowed.database.value(
            "SELECT attempts FROM refunds WHERE event_id = %s AND state = 'pending'", event_id
        ),
        "the refund was asked for and waits",
    )

    key = str(uuid5(event_id, "OrderCancelled"))
    assert [
        row for row in twin.rows("/requests", method="POST") if row["idempotency_key"] == key
    ] == []
    assert shadowed.database.payment_state(event_id) == "refunding"


@pytest.mark.parametrize(
    ("header", "status", "outcome"),
    [
        ("settled; payment_intent_id=pi_of_v1", 200, "settled"),
        ("declined; code=expired_card", 200, "declined"),
        (None, 409, None),
        ("settled", 422, None),
        ("settled; payment_intent_id=", 422, None),
        ("declined; payment_intent_id=pi_1", 422, None),
        ("paid", 422, None),
    ],
)
def test_the_header_carries_v1s_outcome_or_is_refused(
    shadowed: Shop, header: str | None, status: int, outcome: str | None
) -> None:
    answer = charge(shadowed, uuid4(), header)

    assert answer.status == status
    if outcome is not None:
        assert answer.json["outcome"] == outcome
    if status == 409:
        assert int(answer.headers["Retry-After"]) > 0


def test_v1s_first_word_stands(shadowed: Shop) -> None:
    event_id = uuid4()
    charge(shadowed, event_id, "settled; payment_intent_id=pi_first")

    again = charge(shadowed, event_id, "declined; code=expired_card")

    assert (again.json["outcome"], again.json["payment_intent_id"]) == ("settled", "pi_first")


def test_each_answer_of_v1s_is_counted_by_whether_ours_is_the_same(shadowed: Shop) -> None:
    def counted(parity: str) -> float:
        url = shadowed.stack["gateway"].url + "/metrics"
        text = http.request("GET", url).body.decode()
        found = re.search(rf'bookpay_shadow_answers_total{{parity="{parity}"}} (\S+)', text)
        return float(found[1]) if found else 0.0

    before = {parity: counted(parity) for parity in ("agreed", "differed")}

    # The second answer is told from the table, where ours was written down by the first.
    event_id = uuid4()
    charge(shadowed, event_id, "settled; payment_intent_id=pi_of_v1")
    charge(shadowed, event_id, "settled; payment_intent_id=pi_of_v1")
    charge(shadowed, uuid4(), "declined; code=expired_card")

    assert counted("agreed") - before["agreed"] == 2
    assert counted("differed") - before["differed"] == 1
