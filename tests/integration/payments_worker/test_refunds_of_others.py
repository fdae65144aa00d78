"""Money that somebody else gave back, or a bank took: what is left goes back, once, and is told."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from uuid import UUID, uuid4, uuid5

import pytest

from tests.support.operator_requests import ask_operator
from tests.support.stack import PRICE_CENTS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually

PART = 500
REST = PRICE_CENTS - PART

# Nothing of this reaches the receiver: the reconciler has to find it by itself.
UNHEARD = ({"event_type": "refund.*"}, {"event_type": "charge.*"})


def paid(shop: Shop, payment_method: str | None = None) -> tuple[str, UUID, str]:
    """A paid order; returns its id, its root event and its PaymentIntent."""
    order_id, event_id = shop.place(payment_method)
    shop.wait_status(order_id, "paid")
    return order_id, event_id, shop.database.payment(event_id)["payment_intent_id"]


def give_back(twin: Twin, intent: str, amount: int | None = None, **metadata: object) -> str:
    """A refund as somebody makes it in the dashboard; returns Stripe's id of it."""
    wanted = {"payment_intent": intent, **metadata}
    if amount is not None:
        wanted["amount"] = amount
    answer = twin.post("/v1/refunds", wanted, f"dashboard-{uuid4()}")
    assert answer.status == 200, answer.body
    return str(answer.json["id"])


def ours(shop: Shop, event_id: UUID) -> list[tuple[int, int, str]]:
    """n, amount and state of the refunds that we asked for."""
    return [
        (row[0], row[1], row[2])
        for row in shop.database.rows(
            "SELECT n, amount_cents, state FROM refunds WHERE event_id = %s ORDER BY n", event_id
        )
    ]


def others(shop: Shop, event_id: UUID) -> list[tuple[int, str]]:
    return [
        (row[0], row[1])
        for row in shop.database.rows(
            "SELECT amount_cents, status FROM outside_refunds WHERE event_id = %s"
            " ORDER BY created_at",
            event_id,
        )
    ]


def wait_others(shop: Shop, event_id: UUID, *wanted: tuple[int, str]) -> None:
    eventually(
        lambda: others(shop, event_id) == list(wanted),
        lambda: f"others' refunds are {wanted}; they are {others(shop, event_id)}",
    )


def held(twin: Twin, intent: str) -> int:
    """What Stripe still holds of the charge."""
    (charge,) = twin.get("/v1/charges", payment_intent=intent).json["data"]
    return int(charge["amount"]) - int(charge["amount_refunded"])


def events(shop: Shop, order_id: str) -> list[str]:
    """The order's events of its end, in their order."""
    return [
        row[0]
        for row in shop.database.rows(
            "SELECT event_type FROM outbox WHERE payload ->> 'order_id' = %s"
            " AND event_type IN ('OrderCancelled', 'PaymentRefunded') ORDER BY created_at",
            order_id,
        )
    ]


# --- a part ---------------------------------------------------------------------------------


def test_a_part_given_back_outside_is_recorded_and_the_order_stays_paid(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id, intent = paid(shop)

    give_back(twin, intent, PART)

    wait_others(shop, event_id, (PART, "succeeded"))
    assert shop.status(order_id) == "paid"
    assert ours(shop, event_id) == []


def test_a_cancellation_gives_back_what_is_left(shop: Shop, twin: Twin) -> None:
    order_id, event_id, intent = paid(shop)
    give_back(twin, intent, PART)
    wait_others(shop, event_id, (PART, "succeeded"))

    shop.cancel(order_id)

    shop.wait_status(order_id, "refunded")
    assert ours(shop, event_id) == [(1, REST, "succeeded")]
    assert held(twin, intent) == 0
    assert events(shop, order_id) == ["OrderCancelled", "PaymentRefunded"]


@pytest.fixture
def unheard(shop: Shop, twin: Twin) -> Iterator[Shop]:
    """A shop that hears of nothing, and whose reconciler sleeps until it is woken."""
    for match in UNHEARD:
        twin.fault("webhook_drop", match=match)
    shop.stack["reconciler"].signal(signal.SIGSTOP)
    yield shop
    shop.stack["reconciler"].signal(signal.SIGCONT)


def test_a_refusal_because_others_were_first_asks_for_what_is_left(
    unheard: Shop, twin: Twin
) -> None:
    order_id, event_id, intent = paid(unheard)
    give_back(twin, intent, PART)
    unheard.cancel(order_id)
    eventually(lambda: ours(unheard, event_id) == [(1, PRICE_CENTS, "unknown")], "it is refused")

    unheard.stack["reconciler"].signal(signal.SIGCONT)

    unheard.wait_status(order_id, "refunded")
    assert held(twin, intent) == 0
    assert ours(unheard, event_id) == [(1, PRICE_CENTS, "failed"), (2, REST, "succeeded")]
    assert others(unheard, event_id) == [(PART, "succeeded")]


def test_a_refusal_because_all_of_it_went_back_ends_without_another_question(
    unheard: Shop, twin: Twin
) -> None:
    order_id, event_id, intent = paid(unheard)
    give_back(twin, intent)
    unheard.cancel(order_id)
    eventually(lambda: ours(unheard, event_id) == [(1, PRICE_CENTS, "unknown")], "it is refused")

    unheard.stack["reconciler"].signal(signal.SIGCONT)

    unheard.wait_status(order_id, "refunded")
    assert ours(unheard, event_id) == [(1, PRICE_CENTS, "failed")]


def test_the_reconciler_finds_what_no_event_told_of(shop: Shop, twin: Twin) -> None:
    for match in UNHEARD:
        twin.fault("webhook_drop", match=match)
    _, event_id, intent = paid(shop)

    give_back(twin, intent, PART)

    wait_others(shop, event_id, (PART, "succeeded"))


def test_more_refunds_than_a_page_of_stripes_list_are_all_found(shop: Shop, twin: Twin) -> None:
    for match in UNHEARD:
        twin.fault("webhook_drop", match=match)
    order_id, event_id, intent = paid(shop)
    for _ in range(103):
        give_back(twin, intent, 1)
    eventually(lambda: len(others(shop, event_id)) == 103, "every one of them is known")

    shop.cancel(order_id)

    shop.wait_status(order_id, "refunded")
    assert ours(shop, event_id) == [(1, PRICE_CENTS - 103, "succeeded")]
    assert held(twin, intent) == 0


def test_a_refund_in_the_dashboard_that_carries_our_ids_is_not_ours(shop: Shop, twin: Twin) -> None:
    order_id, event_id, intent = paid(shop)
    copied = {
        "metadata[refund_id]": str(uuid5(event_id, "Refund:1")),
        "metadata[event_id]": str(event_id),
        "metadata[env]": "suite",
    }
    give_back(twin, intent, PART, **copied)
    wait_others(shop, event_id, (PART, "succeeded"))

    shop.cancel(order_id)

    shop.wait_status(order_id, "refunded")
    assert ours(shop, event_id) == [(1, REST, "succeeded")]
    assert held(twin, intent) == 0


# --- the whole ------------------------------------------------------------------------------


def test_a_whole_refund_outside_cancels_the_paid_order_and_releases_its_stock(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id, intent = paid(shop)

    give_back(twin, intent)

    shop.wait_status(order_id, "refunded")
    reason = shop.database.value("SELECT cancel_reason FROM orders WHERE id = %s", order_id)
    assert reason == "refunded_outside"
    assert shop.database.stock(shop.sku) == (shop.copies, 0, 0)
    assert ours(shop, event_id) == []
    assert events(shop, order_id) == ["OrderCancelled", "PaymentRefunded"]
    subjects = eventually(
        lambda: (
            told
            if len(told := [m["Subject"] for m in shop.stack.mail.about(order_id)]) == 3
            else None
        ),
        "the customer is told of all three",
    )
    assert "Your order is cancelled" in subjects


def test_two_parts_that_sum_to_the_whole_are_a_whole_refund(shop: Shop, twin: Twin) -> None:
    order_id, event_id, intent = paid(shop)

    give_back(twin, intent, PART)
    give_back(twin, intent, REST)

    shop.wait_status(order_id, "refunded")
    assert sorted(others(shop, event_id)) == [(PART, "succeeded"), (REST, "succeeded")]
    assert ours(shop, event_id) == []


def test_a_retry_with_nothing_left_is_refused_with_the_reason(shop: Shop, twin: Twin) -> None:
    order_id, event_id, intent = paid(shop)
    give_back(twin, intent)
    shop.wait_status(order_id, "refunded")

    result, detail = ask_operator(shop, "retry_refund", event_id=event_id)

    assert result == "refused"
    assert detail.startswith("nothing is left to give back")


def test_a_pending_refund_outside_cancels_the_order_and_is_owed_again_when_it_is_canceled(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id, intent = paid(shop, "pm_card_pendingRefund")
    refund_id = give_back(twin, intent)
    shop.wait_status(order_id, "cancelled")
    while_pending = shop.database.payment_state(event_id)

    twin.post(f"/v1/refunds/{refund_id}/cancel", {}, f"dashboard-{uuid4()}")

    eventually(lambda: ours(shop, event_id) != [], "a refund of ours is asked for")
    assert while_pending in ("succeeded", "refunding")
    assert others(shop, event_id) == [(PRICE_CENTS, "canceled")]
    shop.wait_status(order_id, "refunded")
    assert held(twin, intent) == 0


def test_a_refund_outside_while_our_charge_is_unknown_is_kept_until_it_is_known(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")
    twin.fault("execute_then_cut", match=shop.aim, count=2)
    order_id, event_id = shop.place()
    (charge,) = eventually(lambda: twin.charges(event_id), "the charge is executed")
    give_back(twin, charge["payment_intent"])

    shop.wait_status(order_id, "refunded")

    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]
    assert others(shop, event_id) == [(PRICE_CENTS, "succeeded")]
    assert ours(shop, event_id) == []


# --- disputes -------------------------------------------------------------------------------


def dispute_of(twin: Twin, intent: str) -> str:
    found = eventually(
        lambda: twin.get("/v1/disputes", payment_intent=intent).json["data"], "it is disputed"
    )
    return str(found[0]["id"])


def wait_dispute(shop: Shop, event_id: UUID, status: str) -> None:
    def known() -> object:
        return shop.database.rows("SELECT status FROM disputes WHERE event_id = %s", event_id)

    eventually(lambda: known() == [(status,)], lambda: f"it is {status}; it is {known()}")


def close(twin: Twin, dispute: str) -> None:
    twin.post(f"/v1/disputes/{dispute}/close", {}, f"dashboard-{uuid4()}")


def win(twin: Twin, dispute: str) -> None:
    said = {"evidence[uncategorized_text]": "winning_evidence", "submit": "true"}
    twin.post(f"/v1/disputes/{dispute}", said, f"dashboard-{uuid4()}")


def test_a_dispute_is_recorded_to_its_end_and_the_order_stays_paid(shop: Shop, twin: Twin) -> None:
    order_id, event_id, intent = paid(shop, "pm_card_createDispute")
    wait_dispute(shop, event_id, "needs_response")

    close(twin, dispute_of(twin, intent))

    wait_dispute(shop, event_id, "lost")
    assert shop.status(order_id) == "paid"


def test_a_refund_waits_for_an_open_dispute_and_a_lost_one_ends_it(shop: Shop, twin: Twin) -> None:
    order_id, event_id, intent = paid(shop, "pm_card_createDispute")
    wait_dispute(shop, event_id, "needs_response")
    shop.cancel(order_id)
    shop.wait_payment(event_id, "refunding")

    close(twin, dispute_of(twin, intent))

    shop.wait_status(order_id, "refunded")
    assert twin.refunds(intent) == []
    by = shop.database.value(
        "SELECT payload ->> 'by' FROM outbox WHERE event_type = 'PaymentRefunded'"
        " AND aggregate_id = %s",
        str(event_id),
    )
    assert by == "dispute_lost"


def test_a_refund_waits_for_an_open_dispute_and_goes_out_when_it_is_won(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id, intent = paid(shop, "pm_card_createDispute")
    wait_dispute(shop, event_id, "needs_response")
    shop.cancel(order_id)
    shop.wait_payment(event_id, "refunding")

    win(twin, dispute_of(twin, intent))

    shop.wait_status(order_id, "refunded")
    assert held(twin, intent) == 0


def test_a_dispute_that_no_event_told_of_is_found_when_a_refund_is_refused(
    shop: Shop, twin: Twin
) -> None:
    twin.fault("webhook_drop", match={"event_type": "charge.*"})
    order_id, event_id, intent = paid(shop, "pm_card_createDispute")
    shop.cancel(order_id)
    wait_dispute(shop, event_id, "needs_response")

    close(twin, dispute_of(twin, intent))

    shop.wait_status(order_id, "refunded")
    assert twin.refunds(intent) == []
