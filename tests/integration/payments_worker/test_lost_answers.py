"""The last answer of a step is lost: its asker asks again and finds what was done, once."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.support.http_client import NoAnswer
from tests.support.records import headers_in
from tests.support.stack import DEADLINES, WORKERS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually

TRIES = 5


@pytest.mark.parametrize("action", ["dropconn", "exectimeout"])
def test_an_order_whose_commit_has_no_answer_is_found_by_the_same_key(
    shop: Shop, action: str
) -> None:
    shop.database.arm("api.commit_sent_conn_dropped", action, tenant_id=shop.tenant_id)
    body, key = shop.body(), uuid4().hex

    first = shop.post(body, key)
    second = shop.post(body, key)

    orders = shop.database.rows("SELECT id FROM orders WHERE client_key = %s", key)
    assert first.status == 503
    assert first.json["code"] == "unavailable"
    assert second.status == 201
    assert second.headers["Idempotent-Replayed"] == "true"
    assert orders == [(second.json["id"],)]
    assert shop.database.hits("api.commit_sent_conn_dropped", second.json["id"]) == 1
    shop.wait_status(second.json["id"], "paid")


def test_an_api_that_dies_behind_its_commit_has_taken_the_order(shop: Shop) -> None:
    shop.database.arm("api.commit_sent_conn_dropped", tenant_id=shop.tenant_id)
    body, key = shop.body(), uuid4().hex

    cut_off = shop.attempt_post(body, key)
    shop.stack.expect_crash(["orders-http"])
    shop.stack["orders-http"].wait_ready()

    again = shop.post(body, key)
    assert isinstance(cut_off, NoAnswer)
    assert again.headers["Idempotent-Replayed"] == "true"
    shop.wait_status(again.json["id"], "paid")


@pytest.mark.parametrize("action", ["dropconn", "exectimeout"])
def test_an_event_whose_acknowledgement_is_lost_is_published_again_and_dropped_by_consumers(
    shop: Shop, twin: Twin, action: str
) -> None:
    shop.database.arm("publisher.produced_ack_lost", action)

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    (lost,) = shop.database.rows(
        "SELECT event_id FROM failpoint_hits WHERE point = 'publisher.produced_ack_lost'"
        " ORDER BY id DESC LIMIT 1"
    )
    eventually(
        lambda: copies_of(shop.stack.bootstrap_servers, lost[0]) == 2,
        "the event is in the log twice",
    )
    assert len(twin.charges(event_id)) == 1
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]


def copies_of(bootstrap_servers: str, event_id: UUID) -> int:
    """How many records of the topics that an order passes carry this event."""
    topics = ("orders.placed", "payments.completed", "orders.paid")
    records = headers_in(bootstrap_servers, *topics)
    return [headers.get("event_id") for headers in records].count(str(event_id))


@pytest.mark.parametrize("action", ["exit", "dropconn", "exectimeout"])
def test_a_refund_that_was_sent_and_not_answered_is_given_once(
    shop: Shop, twin: Twin, action: str
) -> None:
    twin.fault("webhook_drop", match={"event_type": "refund.*"})
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")
    shop.database.arm("saga.refund_sent_no_response", action, order_id=order_id)

    shop.cancel(order_id)
    if action == "exit":
        shop.stack.expect_crash(WORKERS)

    shop.wait_status(order_id, "refunded")
    intent = shop.database.payment(event_id)["payment_intent_id"]
    assert len(twin.refunds(intent)) == 1
    assert shop.database.hits("saga.refund_sent_no_response", order_id) == 1
    # Sent before the fault and again after it: the point lies behind the request.
    attempts = shop.database.value("SELECT attempts FROM refunds WHERE event_id = %s", event_id)
    calls = shop.database.value(
        "SELECT count(*) FROM stripe_calls WHERE operation = 'refund' AND payment_intent_id = %s",
        intent,
    )
    assert attempts == 2
    assert calls == 2


def test_a_lease_taken_in_an_inbox_transaction_without_an_answer_is_given_up_at_once(
    shop: Shop, twin: Twin
) -> None:
    """The server committed it, nobody works on it, and nobody waits until it runs out."""
    steps = []
    # A machine may sleep over one lease, not over each of them.
    for _ in range(TRIES):
        event_id, given_up_early = lost_and_paid(shop)
        assert len(twin.charges(event_id)) == 1
        assert shop.database.payment(event_id)["started_attempts"] == 2
        if given_up_early:
            return
        steps.append(
            shop.database.rows(
                "SELECT at, from_state, to_state, cause, cause_id FROM payment_events"
                " WHERE event_id = %s ORDER BY id",
                event_id,
            )
        )
    pytest.fail(f"each lease ran out first: {steps}")


def lost_and_paid(shop: Shop) -> tuple[UUID, bool]:
    """An order whose first attempt had no answer from the database, once it is paid.

    Returns:
        Its event, and whether that attempt was given up before its lease was over.
    """
    shop.database.arm("worker.reserved_before_commit", "exectimeout", tenant_id=shop.tenant_id)
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")
    given_up_early: bool = shop.database.value(
        "SELECT lost.at - began.at < make_interval(secs => %s) FROM payment_events began"
        " JOIN payment_events lost USING (event_id)"
        " WHERE event_id = %s AND lost.cause = 'lease_lost' AND began.to_state = 'charging'"
        " AND began.cause_id = lost.cause_id",
        # Before the lease was over, by any margin: how soon is the machine's doing.
        *(float(DEADLINES["BOOKPAY_LEASE_SECONDS"]) - 0.1, event_id),
    )
    return event_id, given_up_early
