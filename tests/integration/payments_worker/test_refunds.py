"""Money that has to go back: whatever Stripe answers, or does not, it goes back exactly once."""

from __future__ import annotations

from uuid import UUID, uuid5

import pytest

from tests.support.operator_requests import ask_operator
from tests.support.stack import PRICE_CENTS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually

REFUND_NEWS = {"event_type": "refund.*"}


def refund_call(event_id: UUID) -> dict[str, object]:
    """Matches the POST of a payment's first refund, whose key is its OrderCancelled."""
    return {"path": "/v1/refunds", "key": str(uuid5(event_id, "OrderCancelled"))}


def paid(shop: Shop, payment_method: str | None = None) -> tuple[str, UUID, str]:
    """A paid order; returns its id, its root event and its PaymentIntent."""
    order_id, event_id = shop.place(payment_method)
    shop.wait_status(order_id, "paid")
    return order_id, event_id, shop.database.payment(event_id)["payment_intent_id"]


def refund_rows(shop: Shop, event_id: UUID) -> list[tuple[int, str, str | None]]:
    """n, state and failure code of every refund of a payment."""
    return [
        (row[0], row[1], row[2])
        for row in shop.database.rows(
            "SELECT n, state, failure_code FROM refunds WHERE event_id = %s ORDER BY n", event_id
        )
    ]


def wait_refund(shop: Shop, event_id: UUID, n: int, state: str) -> None:
    eventually(
        lambda: (n, state) in [row[:2] for row in refund_rows(shop, event_id)],
        lambda: f"refund {n} is {state}; they are {refund_rows(shop, event_id)}",
    )


@pytest.mark.parametrize(
    "action", ["execute_then_500", "execute_then_cut", "execute_then_truncate"]
)
def test_a_refund_whose_answer_is_spoilt_is_given_once(shop: Shop, twin: Twin, action: str) -> None:
    twin.fault("webhook_drop", match=REFUND_NEWS)
    order_id, event_id, intent = paid(shop)
    twin.fault(action, match=refund_call(event_id), count=1)

    shop.cancel(order_id)

    shop.wait_status(order_id, "refunded")
    assert [row["amount"] for row in twin.refunds(intent)] == [PRICE_CENTS]
    assert refund_rows(shop, event_id) == [(1, "succeeded", None)]


def test_a_refund_is_given_under_the_key_that_was_stored_for_it(shop: Shop, twin: Twin) -> None:
    order_id, event_id, intent = paid(shop)

    shop.cancel(order_id)

    shop.wait_status(order_id, "refunded")
    stored = shop.database.value(
        "SELECT idempotency_key FROM refunds WHERE event_id = %s", event_id
    )
    assert stored == str(uuid5(event_id, "OrderCancelled"))
    assert [row["idempotency_key"] for row in twin.refunds(intent)] == [stored]


def test_a_pending_refund_whose_webhook_is_lost_is_found_by_the_list(
    shop: Shop, twin: Twin
) -> None:
    twin.fault("webhook_drop", match=REFUND_NEWS)
    order_id, event_id, intent = paid(shop, "pm_card_pendingRefund")

    shop.cancel(order_id)
    wait_refund(shop, event_id, 1, "processing")

    shop.wait_status(order_id, "refunded")
    assert len(twin.refunds(intent)) == 1


def test_a_saved_500_under_a_refund_key_fails_visibly_and_an_operator_retries_it(
    shop: Shop, twin: Twin
) -> None:
    """The key will never say anything else and the list holds no refund: the next has its own."""
    order_id, event_id, intent = paid(shop)
    twin.fault("saved_500", match=refund_call(event_id), count=1)

    shop.cancel(order_id)
    wait_refund(shop, event_id, 1, "failed")
    state_while_failed = shop.database.payment_state(event_id)
    answer = ask_operator(shop, "retry_refund", event_id=event_id)

    shop.wait_status(order_id, "refunded")
    assert state_while_failed == "refunding"
    assert answer[0] == "done"
    assert refund_rows(shop, event_id) == [(1, "failed", "not_executed"), (2, "succeeded", None)]
    assert [row["amount"] for row in twin.refunds(intent)] == [PRICE_CENTS]


def test_a_refund_given_by_somebody_else_counts_as_given(shop: Shop, twin: Twin) -> None:
    order_id, event_id, intent = paid(shop)
    twin.refund(intent)

    shop.wait_status(order_id, "refunded")
    assert len(twin.refunds(intent)) == 1
    assert refund_rows(shop, event_id) == []


def test_a_refund_that_the_bank_sends_back_is_seen_as_failed(shop: Shop, twin: Twin) -> None:
    order_id, event_id, _ = paid(shop, "pm_card_refundFail")

    shop.cancel(order_id)
    wait_refund(shop, event_id, 1, "succeeded")

    wait_refund(shop, event_id, 1, "failed")
    assert ask_operator(shop, "retry_refund", event_id=event_id)[0] == "done"
    wait_refund(shop, event_id, 2, "succeeded")


def test_a_refund_that_is_not_failed_is_not_retried(shop: Shop, twin: Twin) -> None:
    order_id, event_id, intent = paid(shop)
    shop.cancel(order_id)
    shop.wait_status(order_id, "refunded")

    result, detail = ask_operator(shop, "retry_refund", event_id=event_id)

    assert (result, detail) == ("refused", "refund 1 is succeeded; only a failed one is retried")
    assert len(twin.refunds(intent)) == 1


def test_a_refund_key_of_yesterday_is_not_posted_again(shop: Shop, twin: Twin) -> None:
    """Unanswered, then a day passes: Stripe may have pruned the key, so it is asked instead."""
    order_id, event_id, intent = paid(shop)
    twin.fault("reject", match=refund_call(event_id), numbers={"status": 503})

    shop.cancel(order_id)
    wait_refund(shop, event_id, 1, "unknown")
    shop.database.run(
        "UPDATE refunds SET first_attempted_at = environment_now() - interval '25 hours'"
        " WHERE event_id = %s",
        event_id,
    )
    twin.clear_faults()

    wait_refund(shop, event_id, 1, "failed")
    assert twin.refunds(intent) == []
    assert refund_rows(shop, event_id) == [(1, "failed", "not_executed")]
