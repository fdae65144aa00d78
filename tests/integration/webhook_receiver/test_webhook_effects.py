"""What a genuine webhook does to a payment, and what happens when it is early or contradicts us."""

from __future__ import annotations

import signal
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.stack import PRICE_CENTS, WORKERS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually
from tests.support.webhooks import RECEIVED, intent_event, post_webhook, quarantine_reasons


def send(shop: Shop, body: bytes) -> None:
    got = post_webhook(shop.stack["receiver"], body)
    assert (got.status, got.body) == (200, RECEIVED)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": PRICE_CENTS - 1}, "amount"),
        ({"amount": 0}, "amount"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "USD"}, "currency"),
        ({"status": "processing"}, "status"),
        ({"status": "requires_capture", "capture_method": "manual"}, "status"),
        ({"amount_received": PRICE_CENTS - 1}, "amount_received"),
        ({"amount_received": 0}, "amount_received"),
        ({"amount_received": None}, "amount_received"),
        ({"livemode": True}, "livemode"),
        ({"object": "charge"}, "not_ours"),
        ({"id": "pi_of_someone_else"}, "other_payment_intent"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_success_that_disagrees_with_the_order_is_quarantined_and_pays_nothing(
    shop: Shop, waiting: tuple[str, UUID, str], changes: dict[str, Any], reason: str
) -> None:
    order_id, event_id, intent = waiting
    body = intent_event(event_id, payment_intent_id=intent, **changes)

    send(shop, body)

    assert quarantine_reasons(shop.database, body) == [reason]
    assert shop.database.payment_state(event_id) == "processing"
    assert shop.status(order_id) == "pending"


@pytest.mark.parametrize(
    ("event_type", "status"),
    [
        ("payment_intent.payment_failed", "succeeded"),
        ("payment_intent.payment_failed", "processing"),
        ("payment_intent.payment_failed", "requires_capture"),
        ("payment_intent.canceled", "succeeded"),
        ("payment_intent.canceled", "requires_payment_method"),
        ("payment_intent.processing", "succeeded"),
    ],
)
def test_an_event_whose_object_says_otherwise_fails_nothing(
    shop: Shop, waiting: tuple[str, UUID, str], event_type: str, status: str
) -> None:
    order_id, event_id, intent = waiting
    body = intent_event(event_id, payment_intent_id=intent, event_type=event_type, status=status)

    send(shop, body)

    assert quarantine_reasons(shop.database, body) == ["status"]
    assert shop.database.payment_state(event_id) == "processing"
    assert shop.status(order_id) == "pending"


def test_an_event_of_another_environment_is_quarantined(
    shop: Shop, waiting: tuple[str, UUID, str]
) -> None:
    _, event_id, intent = waiting
    metadata = {"event_id": str(event_id), "env": "elsewhere"}
    body = intent_event(event_id, payment_intent_id=intent, metadata=metadata)

    send(shop, body)

    assert quarantine_reasons(shop.database, body) == ["other_environment"]
    assert shop.database.payment_state(event_id) == "processing"


def test_a_payment_intent_without_our_metadata_is_not_ours(shop: Shop) -> None:
    body = intent_event(uuid4(), metadata={})

    send(shop, body)

    assert quarantine_reasons(shop.database, body) == ["not_ours"]


def test_an_event_that_a_constraint_refuses_is_quarantined_and_moves_nothing(
    shop: Shop, waiting: tuple[str, UUID, str]
) -> None:
    order_id, event_id, intent = waiting
    # A payment has one outcome, and somebody wrote this one's by hand.
    shop.database.run(
        "INSERT INTO payment_events (event_id, kind, to_state, cause)"
        " VALUES (%s, 'outcome', 'failed', 'hand')",
        event_id,
    )
    body = intent_event(event_id, payment_intent_id=intent)

    send(shop, body)
    send(shop, body)

    assert quarantine_reasons(shop.database, body) == ["contradicts payment_events_outcome_key"]
    assert shop.database.payment_state(event_id) == "processing"
    assert shop.status(order_id) == "pending"


def test_a_matching_success_pays_the_order_once_however_often_it_comes(
    shop: Shop, waiting: tuple[str, UUID, str]
) -> None:
    order_id, event_id, intent = waiting

    for _ in range(3):
        send(shop, intent_event(event_id, payment_intent_id=intent))

    shop.wait_status(order_id, "paid")
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]


def test_a_failure_after_the_success_undoes_nothing(
    shop: Shop, waiting: tuple[str, UUID, str]
) -> None:
    order_id, event_id, intent = waiting
    send(shop, intent_event(event_id, payment_intent_id=intent))
    shop.wait_status(order_id, "paid")

    send(
        shop,
        intent_event(
            event_id,
            payment_intent_id=intent,
            event_type="payment_intent.payment_failed",
            status="requires_payment_method",
        ),
    )

    assert shop.database.payment_state(event_id) == "succeeded"
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]


def test_a_success_after_the_refund_changes_nothing(shop: Shop, twin: Twin) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")
    shop.cancel(order_id)
    shop.wait_status(order_id, "refunded")
    intent = shop.database.payment(event_id)["payment_intent_id"]

    send(shop, intent_event(event_id, payment_intent_id=intent))

    assert shop.database.payment_state(event_id) == "refunded"
    assert len(twin.refunds(intent)) == 1


def test_a_webhook_before_its_payment_is_parked_and_applied_when_the_payment_is_there(
    shop: Shop, twin: Twin
) -> None:
    """The workers sleep while Stripe already tells of a charge: nothing of it is lost."""
    for name in WORKERS:
        shop.stack[name].signal(signal.SIGSTOP)
    try:
        order_id, event_id = shop.place()
        body = intent_event(event_id)
        send(shop, body)
        parked = shop.database.rows(
            "SELECT processed_at FROM webhook_parked JOIN stripe_events"
            " ON stripe_events.event_id = stripe_event_id WHERE webhook_parked.event_id = %s",
            event_id,
        )
    finally:
        for name in WORKERS:
            shop.stack[name].signal(signal.SIGCONT)

    assert parked == [(None,)]
    eventually(
        lambda: (
            not shop.database.rows("SELECT 1 FROM webhook_parked WHERE event_id = %s", event_id)
        ),
        "the early webhook is driven again",
    )
    shop.wait_status(order_id, "paid")
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]


def test_a_webhook_whose_payment_never_comes_ends_in_quarantine(shop: Shop) -> None:
    nobody = uuid4()
    body = intent_event(nobody)
    send(shop, body)

    shop.database.run(
        "UPDATE webhook_parked SET parked_at = parked_at - interval '1 hour',"
        " next_attempt_at = clock_timestamp() WHERE event_id = %s",
        nobody,
    )

    eventually(
        lambda: quarantine_reasons(shop.database, body) == ["payment_never_came"],
        "the webhook is given up",
    )
    assert shop.database.rows("SELECT 1 FROM webhook_parked WHERE event_id = %s", nobody) == []


@pytest.mark.parametrize(
    "point",
    [
        "receiver.verified_before_insert",
        "receiver.apply_before_commit",
        "receiver.inserted_before_200",
        "receiver.responded",
    ],
)
def test_a_receiver_killed_at_any_step_loses_no_event(
    shop: Shop, twin: Twin, waiting: tuple[str, UUID, str], point: str
) -> None:
    order_id, event_id, intent = waiting
    shop.database.arm(point)

    twin.complete(intent, succeed=True)
    shop.stack.expect_crash(["receiver"])

    shop.wait_status(order_id, "paid")
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]
