"""A proxy answers in Stripe's place, whatever Stripe has done: nobody's order ends by its page."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.support.stack import PRICE_CENTS, WORKERS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually

WEBHOOKS = {"event_type": "payment_intent.*"}
CHARGES = {"method": "POST", "path": "/v1/payment_intents"}


@pytest.fixture(autouse=True)
def _no_webhooks(twin: Twin) -> None:
    """Nobody else tells what became of the money."""
    twin.fault("webhook_drop", match=WEBHOOKS)


def page(twin: Twin, status: int, match: dict[str, object], count: int | None = None) -> str:
    """Stripe does what it is asked to, and a page with this status is what comes back."""
    times = {} if count is None else {"count": count}
    return twin.fault("execute_then_html", match=match, numbers={"status": status}, **times)


def states_of(shop: Shop, event_id: UUID) -> list[str]:
    rows = shop.database.rows(
        "SELECT to_state FROM payment_events WHERE event_id = %s ORDER BY id", event_id
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 409, 429, 451, 302, 204])
def test_a_page_after_the_charge_is_unknown_and_the_order_is_paid(
    shop: Shop, twin: Twin, status: int
) -> None:
    page(twin, status, {**shop.aim, **CHARGES}, count=1)

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    assert states_of(shop, event_id) == ["pending", "charging", "unknown", "charging", "succeeded"]
    assert [row["amount"] for row in twin.charges(event_id)] == [PRICE_CENTS]
    assert {row["idempotency_key"] for row in twin.posts(event_id)} == {str(event_id)}
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]


@pytest.mark.parametrize("status", [402, 401])
def test_a_page_for_ever_is_looked_behind_by_the_reconciler(
    shop: Shop, twin: Twin, status: int
) -> None:
    """Nor does it open the circuit: only Stripe itself says that our key is wrong."""
    page(twin, status, {**shop.aim, **CHARGES})

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    cause = shop.database.value(
        "SELECT cause FROM payment_events WHERE event_id = %s AND kind = 'outcome'", event_id
    )
    assert cause == "reconciler"
    assert len(twin.charges(event_id)) == 1
    assert all(shop.stack[name].readiness().get("stripe_circuit") for name in WORKERS)


@pytest.mark.parametrize("status", [200, 404])
def test_a_page_in_place_of_stripes_list_proves_no_absence(
    shop: Shop, twin: Twin, status: int
) -> None:
    """The key is dead, so Stripe's own word that nothing is there would end the payment."""
    twin.fault("saved_500", match=shop.aim, count=1)
    questions = page(twin, status, {"method": "GET", "path": "/v1/payment_intents*"})
    order_id, event_id = shop.place()
    shop.wait_payment(event_id, "unknown")
    before = len(twin.rows("/requests", method="GET"))

    eventually(
        lambda: len(twin.rows("/requests", method="GET")) >= before + 3,
        "the reconciler has asked again and again",
    )
    meanwhile = shop.database.payment_state(event_id)
    twin.clear_fault(questions)

    assert meanwhile in ("unknown", "charging")
    shop.wait_status(order_id, "cancelled")
    assert shop.database.payment(event_id)["failure_code"] == "not_executed"


@pytest.mark.parametrize("status", [400, 402, 404])
def test_a_page_after_a_refund_ends_in_one_refund(shop: Shop, twin: Twin, status: int) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")
    page(twin, status, {"method": "POST", "path": "/v1/refunds"}, count=1)

    shop.cancel(order_id)

    shop.wait_status(order_id, "refunded")
    intent = shop.database.payment(event_id)["payment_intent_id"]
    assert [row["amount"] for row in twin.refunds(intent)] == [PRICE_CENTS]


def test_a_page_in_place_of_a_cancellation_cancels_nothing(shop: Shop, twin: Twin) -> None:
    """The bank says yes while a proxy says that the PaymentIntent could not be canceled."""
    page(twin, 402, {"method": "POST", "path": "/v1/payment_intents/*"})
    order_id, event_id = shop.place("pm_card_threeDSecure2Required")

    # What Stripe itself did, the reconciler reads: it was canceled.
    shop.wait_status(order_id, "cancelled")

    intent = shop.database.payment(event_id)["payment_intent_id"]
    assert twin.payment_intent(intent)["status"] == "canceled"
    assert twin.charges(event_id) == []
