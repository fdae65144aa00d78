"""Worker, webhook, reconciler and customer race for one payment, and the money ends up right."""

from __future__ import annotations

import signal
from uuid import UUID

from tests.support.stack import PRICE_CENTS, WORKERS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually


def cause_of_outcome(shop: Shop, event_id: UUID) -> str:
    cause: str = shop.database.value(
        "SELECT cause FROM payment_events WHERE event_id = %s AND kind = 'outcome'", event_id
    )
    return cause


def wait_until_no_money_is_kept(shop: Shop, twin: Twin, event_id: UUID) -> None:
    """A cancelled payment ends: failed, and Stripe took nothing, or all it took has gone back."""
    ends = ("failed", "refunded")
    state = eventually(
        lambda: found if (found := shop.database.payment_state(event_id)) in ends else None,
        lambda: f"payment {event_id} ends; it is {shop.database.payment(event_id)}",
    )
    intent = shop.database.payment(event_id)["payment_intent_id"]
    taken = [row["amount"] for row in twin.charges(event_id)]
    given_back = [row["amount"] for row in twin.refunds(intent)] if intent else []
    assert (taken, given_back) == {"failed": ([], []), "refunded": ([PRICE_CENTS], [PRICE_CENTS])}[
        state
    ]


# --- the customer cancels -------------------------------------------------------------------


def test_an_order_cancelled_before_the_worker_saw_it_keeps_no_money(shop: Shop, twin: Twin) -> None:
    """Two topics have no order between them: it is never sent, or charged and given back."""
    for name in WORKERS:
        shop.stack[name].stop()
    order_id, event_id = shop.place()
    shop.cancel(order_id)

    for name in WORKERS:
        shop.stack[name].start()

    wait_until_no_money_is_kept(shop, twin, event_id)
    assert shop.database.stock(shop.sku) == (100, 0, 0)


def test_an_order_cancelled_while_stripe_is_slow_is_charged_and_refunded(
    shop: Shop, twin: Twin
) -> None:
    twin.fault("latency", match=shop.aim, numbers={"milliseconds": 2000}, count=1)
    twin.fault("webhook_drop", match={"event_type": "payment_intent.*"})
    order_id, event_id = shop.place()
    shop.wait_payment(event_id, "charging")

    shop.cancel(order_id)

    shop.wait_status(order_id, "refunded")
    intent = shop.database.payment(event_id)["payment_intent_id"]
    assert [row["amount"] for row in twin.charges(event_id)] == [PRICE_CENTS]
    assert [row["amount"] for row in twin.refunds(intent)] == [PRICE_CENTS]
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]
    assert shop.database.stock(shop.sku) == (100, 0, 0)


def test_an_order_cancelled_while_the_bank_decides_is_refunded_when_it_says_yes(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id = shop.place("pm_twin_card_processing")
    shop.wait_payment(event_id, "processing")
    intent = shop.database.payment(event_id)["payment_intent_id"]
    shop.cancel(order_id)
    eventually(
        lambda: shop.database.value(
            "SELECT cancel_requested_at IS NOT NULL FROM payments WHERE event_id = %s", event_id
        ),
        "the cancellation reaches the payment",
    )

    twin.complete(intent, succeed=True)

    shop.wait_status(order_id, "refunded")
    assert len(twin.refunds(intent)) == 1
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]


def test_an_order_cancelled_while_it_waits_for_its_customer_costs_nothing(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id = shop.place("pm_card_authenticationRequired")
    shop.wait_payment(event_id, "processing")
    intent = shop.database.payment(event_id)["payment_intent_id"]

    shop.cancel(order_id)

    shop.wait_payment(event_id, "failed")
    assert shop.database.payment(event_id)["failure_code"] == "order_cancelled"
    assert twin.payment_intent(intent)["status"] == "canceled"
    assert twin.charges(event_id) == []


def test_cancelling_twice_refunds_once(shop: Shop, twin: Twin) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")

    answers = [shop.cancel(order_id).status for _ in range(3)]

    assert answers == [202, 202, 202]
    shop.wait_status(order_id, "refunded")
    intent = shop.database.payment(event_id)["payment_intent_id"]
    assert len(twin.refunds(intent)) == 1


def test_ten_orders_cancelled_at_random_moments_conserve_money_and_stock(
    shop: Shop, twin: Twin
) -> None:
    placed = [shop.place() for _ in range(10)]
    for order_id, _ in placed[::2]:
        shop.cancel(order_id)

    for order_id, event_id in placed[1::2]:
        shop.wait_status(order_id, "paid")
        assert [row["amount"] for row in twin.charges(event_id)] == [PRICE_CENTS]
    for _, event_id in placed[::2]:
        wait_until_no_money_is_kept(shop, twin, event_id)
    assert shop.database.stock(shop.sku) == (95, 0, 5)


# --- webhook and reconciler -----------------------------------------------------------------


def test_a_webhook_may_win_the_race_and_the_workers_answer_changes_nothing(
    shop: Shop, twin: Twin
) -> None:
    """The workers freeze with the answer in hand, so the webhook is first for certain."""
    point = "psp.response_before_persist"
    shop.database.arm(point, "delay", tenant_id=shop.tenant_id, argument="3")

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    assert cause_of_outcome(shop, event_id) == "webhook"
    assert len(twin.charges(event_id)) == 1
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]


def test_without_workers_awake_a_bank_decision_arrives_by_webhook(shop: Shop, twin: Twin) -> None:
    order_id, event_id = shop.place("pm_twin_card_processing")
    shop.wait_payment(event_id, "processing")
    intent = shop.database.payment(event_id)["payment_intent_id"]
    for name in WORKERS:
        shop.stack[name].signal(signal.SIGSTOP)

    try:
        twin.complete(intent, succeed=True)
        shop.wait_status(order_id, "paid")
    finally:
        for name in WORKERS:
            shop.stack[name].signal(signal.SIGCONT)

    assert cause_of_outcome(shop, event_id) == "webhook"


def test_a_bank_that_says_no_fails_the_order(shop: Shop, twin: Twin) -> None:
    order_id, event_id = shop.place("pm_twin_card_processing")
    shop.wait_payment(event_id, "processing")
    intent = shop.database.payment(event_id)["payment_intent_id"]

    twin.complete(intent, succeed=False)

    shop.wait_status(order_id, "cancelled")
    assert shop.database.outcomes(event_id) == ["PaymentFailed"]
    assert shop.database.stock(shop.sku) == (100, 0, 0)


def test_a_payment_that_waits_past_its_window_is_cancelled_at_stripe_and_fails(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id = shop.place("pm_card_authenticationRequired")

    shop.wait_status(order_id, "cancelled")

    payment = shop.database.payment(event_id)
    assert (payment["state"], payment["failure_code"]) == ("failed", "webhook_timeout")
    assert twin.payment_intent(payment["payment_intent_id"])["status"] == "canceled"
    assert twin.charges(event_id) == []
    assert shop.database.stock(shop.sku) == (100, 0, 0)


def test_a_webhook_that_never_comes_is_made_up_for_by_the_reconciler(
    shop: Shop, twin: Twin
) -> None:
    twin.fault("webhook_drop", match={"event_type": "payment_intent.*"})
    order_id, event_id = shop.place("pm_twin_card_processing")
    shop.wait_payment(event_id, "processing")
    intent = shop.database.payment(event_id)["payment_intent_id"]

    twin.complete(intent, succeed=True)

    shop.wait_status(order_id, "paid")
    assert cause_of_outcome(shop, event_id) == "reconciler"


def test_every_webhook_told_three_times_has_one_effect(shop: Shop, twin: Twin) -> None:
    twin.fault("webhook_duplicate", numbers={"copies": 3})

    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")
    shop.cancel(order_id)
    shop.wait_status(order_id, "refunded")

    intent = shop.database.payment(event_id)["payment_intent_id"]
    assert len(twin.refunds(intent)) == 1
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]


def test_a_success_after_the_failure_is_refunded_and_told_to_nobody_twice(
    shop: Shop, twin: Twin
) -> None:
    """A proof that was wrong: the row says failed, then Stripe tells of a success after all."""
    order_id, event_id = shop.place("pm_twin_card_processing")
    shop.wait_payment(event_id, "processing")
    intent = shop.database.payment(event_id)["payment_intent_id"]
    shop.cancel(order_id)
    shop.database.run(
        "UPDATE payments SET state = 'failed', failure_code = 'not_executed',"
        " cancel_requested_at = NULL WHERE event_id = %s",
        event_id,
    )

    twin.complete(intent, succeed=True)

    shop.wait_payment(event_id, "refunded")
    kinds = shop.database.rows(
        "SELECT kind FROM payment_events WHERE event_id = %s AND kind <> 'transition'", event_id
    )
    assert kinds == [("late_success",)]
    assert len(twin.refunds(intent)) == 1
    assert shop.database.outcomes(event_id) == []
