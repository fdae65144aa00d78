"""Stripe answers unclearly, late, or not at all: nobody is charged twice and nothing is guessed."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.support.stack import PRICE_CENTS, WORKERS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually

WEBHOOKS = {"event_type": "payment_intent.*"}


@pytest.fixture(autouse=True)
def _no_webhooks(twin: Twin) -> None:
    """The answers are on their own here; what webhooks do stands elsewhere."""
    twin.fault("webhook_drop", match=WEBHOOKS)


@pytest.mark.parametrize(
    "action",
    [
        "execute_then_500",
        "execute_then_cut",
        "execute_then_truncate",
        "execute_then_html",
        "execute_then_empty",
    ],
)
def test_an_executed_charge_whose_answer_is_spoilt_is_found_and_not_repeated(
    shop: Shop, twin: Twin, action: str
) -> None:
    twin.fault(action, match=shop.aim, count=1)

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    assert [row["amount"] for row in twin.charges(event_id)] == [PRICE_CENTS]
    assert [row["idempotency_key"] for row in twin.posts(event_id)] == [str(event_id)] * 2


def test_a_charge_that_times_out_is_retried_with_the_same_key(shop: Shop, twin: Twin) -> None:
    twin.fault("execute_then_timeout", match=shop.aim, count=1, numbers={"seconds": 8})

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    assert states_of(shop, event_id) == ["pending", "charging", "unknown", "charging", "succeeded"]
    assert [row["idempotency_key"] for row in twin.posts(event_id)] == [str(event_id)] * 2
    assert len(twin.charges(event_id)) == 1
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]


def states_of(shop: Shop, event_id: UUID) -> list[str]:
    """Every state the payment has been in, in order."""
    return [
        row[0]
        for row in shop.database.rows(
            "SELECT to_state FROM payment_events WHERE event_id = %s ORDER BY id", event_id
        )
    ]


@pytest.mark.parametrize("action", ["rate_limit", "lock_timeout"])
def test_a_throttled_charge_waits_and_is_sent_again(shop: Shop, twin: Twin, action: str) -> None:
    twin.fault(action, match=shop.aim, count=2)

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    assert [row["status"] for row in twin.posts(event_id)] == [429, 429, 200]
    assert len(twin.charges(event_id)) == 1


def test_a_saved_500_that_executed_nothing_ends_as_not_executed(shop: Shop, twin: Twin) -> None:
    """The key will never say anything else, and the list proves that no PaymentIntent exists."""
    twin.fault("saved_500", match=shop.aim, count=1)

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "cancelled")
    assert shop.database.payment(event_id)["failure_code"] == "not_executed"
    assert twin.charges(event_id) == []
    assert shop.database.stock(shop.sku) == (100, 0, 0)


def test_an_executed_charge_behind_a_500_for_ever_is_found_by_the_list(
    shop: Shop, twin: Twin
) -> None:
    twin.fault("execute_then_500", match={**shop.aim, "path": "/v1/payment_intents"})

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    cause = shop.database.value(
        "SELECT cause FROM payment_events WHERE event_id = %s AND kind = 'outcome'", event_id
    )
    assert cause == "reconciler"
    assert len(twin.charges(event_id)) == 1


def wait_parked(shop: Shop, event_id: UUID) -> None:
    shop.wait_payment(event_id, "parked")
    assert shop.database.rows(
        "SELECT 1 FROM dead_letters WHERE event_id = %s AND source = 'payments-worker'", event_id
    )


def test_a_request_that_is_wrong_in_itself_is_parked_and_the_order_stays_pending(
    shop: Shop, twin: Twin
) -> None:
    shop.database.run(
        "UPDATE inventory SET unit_price_cents = 1 WHERE sku = %s",
        shop.sku,
    )

    order_id, event_id = shop.place()

    wait_parked(shop, event_id)
    assert shop.database.payment(event_id)["failure_code"] == "amount_too_small"
    assert shop.status(order_id) == "pending"
    assert shop.database.stock(shop.sku) == (99, 1, 0)
    assert twin.charges(event_id) == []


def test_an_order_with_a_method_that_is_not_there_stops_nobody_else(shop: Shop, twin: Twin) -> None:
    _, poisoned = shop.place("pm_this_method_does_not_exist")
    wait_parked(shop, poisoned)

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1


def test_a_parked_payment_of_a_cancelled_order_ends(shop: Shop) -> None:
    order_id, event_id = shop.place("pm_this_method_does_not_exist")
    wait_parked(shop, event_id)

    shop.cancel(order_id)

    shop.wait_payment(event_id, "failed")
    assert shop.database.payment(event_id)["failure_code"] == "order_cancelled"


def test_orders_placed_while_the_gateway_is_away_are_paid_when_it_is_back(
    shop: Shop, twin: Twin
) -> None:
    gateway = shop.stack["gateway"]
    gateway.stop()

    placed = [shop.place() for _ in range(5)]
    eventually(
        lambda: all(shop.database.payment(event_id) for _, event_id in placed),
        "the orders are taken in",
    )
    while_away = {shop.status(order_id) for order_id, _ in placed}
    eventually(
        lambda: (
            not any(
                shop.stack[name].readiness().get("gateway") for name in (*WORKERS, "reconciler")
            )
        ),
        "whoever asks the gateway says that it cannot",
    )
    gateway.start()

    assert while_away == {"pending"}
    for order_id, event_id in placed:
        shop.wait_status(order_id, "paid")
        assert len(twin.charges(event_id)) == 1


def test_a_wrong_key_stops_the_worker_and_cancels_nobody(shop: Shop, twin: Twin) -> None:
    fault = twin.fault("reject", match=shop.aim, numbers={"status": 401})

    placed = [shop.place() for _ in range(3)]
    eventually(
        lambda: any(
            shop.stack[name].readiness().get("stripe_circuit") is False for name in WORKERS
        ),
        "a circuit opens and its worker is not ready",
    )
    states = {shop.database.payment_state(event_id) for _, event_id in placed}
    twin.clear_fault(fault)

    assert states <= {"pending", "charging", None}
    for order_id, event_id in placed:
        shop.wait_status(order_id, "paid")
        assert len(twin.charges(event_id)) == 1
        assert shop.database.outcomes(event_id) == ["PaymentCompleted"]
