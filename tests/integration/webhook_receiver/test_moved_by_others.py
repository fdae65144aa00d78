"""Our PaymentIntent, moved by somebody else: the customer's browser, or a person at the dashboard.

Each sends a key of its own. What Stripe then tells of our PaymentIntent is true all the same.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from tests.support.stack import PRICE_CENTS, Shop
from tests.support.twin import Twin
from tests.support.webhooks import RECEIVED, intent_event, post_webhook, quarantine_reasons


@pytest.fixture
def patient(shop: Shop) -> Iterator[Shop]:
    """A shop in which nobody cancels what a customer has not finished yet."""
    shop.stack["reconciler"].signal(signal.SIGSTOP)
    yield shop
    shop.stack["reconciler"].signal(signal.SIGCONT)


@pytest.fixture
def challenged(patient: Shop) -> tuple[str, UUID, str]:
    """An order whose customer has to confirm: order_id, event_id, PaymentIntent id."""
    order_id, event_id = patient.place("pm_card_threeDSecure2Required")
    patient.wait_payment(event_id, "processing")
    return order_id, event_id, patient.database.payment(event_id)["payment_intent_id"]


def act(twin: Twin, intent: str, verb: str, **parameters: object) -> None:
    """What somebody else does with the PaymentIntent, under a key that is none of ours."""
    twin.post(f"/v1/payment_intents/{intent}/{verb}", parameters, f"phone-{uuid4()}")


def cause_of_outcome(shop: Shop, event_id: UUID) -> str:
    cause: str = shop.database.value(
        "SELECT cause FROM payment_events WHERE event_id = %s AND kind = 'outcome'", event_id
    )
    return cause


def quarantined(shop: Shop, intent: str) -> list[tuple[str]]:
    return shop.database.rows(
        "SELECT reason FROM webhook_quarantine WHERE position(%s::bytea IN body) > 0",
        intent.encode(),
    )


def test_a_payment_that_its_customer_confirms_is_paid_by_the_webhook(
    patient: Shop, twin: Twin, challenged: tuple[str, UUID, str]
) -> None:
    order_id, event_id, intent = challenged

    act(twin, intent, "confirm", payment_method="pm_card_visa")

    patient.wait_status(order_id, "paid")
    assert cause_of_outcome(patient, event_id) == "webhook"
    assert [row["amount"] for row in twin.charges(event_id)] == [PRICE_CENTS]
    assert quarantined(patient, intent) == []


def test_a_confirmation_that_is_declined_fails_like_a_decline_of_ours(
    patient: Shop, twin: Twin, challenged: tuple[str, UUID, str]
) -> None:
    order_id, event_id, intent = challenged

    act(twin, intent, "confirm", payment_method="pm_card_chargeDeclinedExpiredCard")

    patient.wait_status(order_id, "cancelled")
    assert patient.database.payment(event_id)["failure_code"] == "expired_card"
    assert twin.payment_intent(intent)["status"] == "requires_payment_method"
    assert quarantined(patient, intent) == []


def test_a_second_confirmation_after_a_decline_is_given_back(
    patient: Shop, twin: Twin, challenged: tuple[str, UUID, str]
) -> None:
    """Stripe lets the customer try another card; by then the order has sold nothing."""
    order_id, event_id, intent = challenged
    act(twin, intent, "confirm", payment_method="pm_card_chargeDeclinedExpiredCard")
    patient.wait_status(order_id, "cancelled")

    act(twin, intent, "confirm", payment_method="pm_card_visa")

    patient.wait_status(order_id, "refunded")
    assert patient.database.outcomes(event_id) == ["PaymentFailed"]
    assert [row["amount"] for row in twin.refunds(intent)] == [PRICE_CENTS]


def test_a_payment_intent_canceled_by_hand_ends_the_order(
    patient: Shop, twin: Twin, challenged: tuple[str, UUID, str]
) -> None:
    order_id, event_id, intent = challenged

    act(twin, intent, "cancel")

    patient.wait_status(order_id, "cancelled")
    assert patient.database.payment(event_id)["failure_code"] == "payment_intent_canceled"
    assert cause_of_outcome(patient, event_id) == "webhook"


@pytest.mark.parametrize("method", ["manual", "automatic", "automatic_async"])
def test_a_capture_by_hand_is_followed_when_all_of_it_was_received(
    patient: Shop, challenged: tuple[str, UUID, str], method: str
) -> None:
    order_id, event_id, intent = challenged
    body = intent_event(event_id, payment_intent_id=intent, key="dashboard", capture_method=method)

    post_webhook(patient.stack["receiver"], body)

    patient.wait_status(order_id, "paid")


def test_a_key_of_others_is_not_believed_while_our_payment_intent_is_not_known(
    patient: Shop, twin: Twin
) -> None:
    """Its metadata is all that would make it ours, and metadata can be copied."""
    twin.fault("slow", match=patient.aim, numbers={"seconds": 2}, count=1)
    _, event_id = patient.place("pm_card_threeDSecure2Required")
    patient.wait_payment(event_id, "charging")
    body = intent_event(event_id, key="phone-1")

    heard = post_webhook(patient.stack["receiver"], body)

    assert heard.body == RECEIVED
    assert quarantine_reasons(patient.database, body) == ["idempotency_key"]
