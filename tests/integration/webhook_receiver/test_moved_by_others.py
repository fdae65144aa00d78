"""Our PaymentIntent, moved by somebody else: the customer's browser, or a person at the dashboard.

Each sends a key of its own. What Stripe then tells of our PaymentIntent is true all the same.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest

from tests.support.stack import PRICE_CENTS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually
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


# --- other money than was asked for -----------------------------------------------------------


def capture_a_part(twin: Twin, intent: str) -> None:
    act(twin, intent, "confirm", payment_method="pm_card_visa", capture_method="manual")
    act(twin, intent, "capture", amount_to_capture=PRICE_CENTS - 1)


def change_the_amount(twin: Twin, intent: str) -> None:
    twin.post(f"/v1/payment_intents/{intent}", {"amount": PRICE_CENTS - 1}, f"phone-{uuid4()}")
    act(twin, intent, "confirm", payment_method="pm_card_visa")


@pytest.mark.parametrize(
    ("change", "reason"), [(capture_a_part, "amount_received"), (change_the_amount, "amount")]
)
def test_other_money_than_was_asked_for_pays_nothing_and_waits_for_a_person(
    patient: Shop,
    twin: Twin,
    challenged: tuple[str, UUID, str],
    change: Callable[[Twin, str], None],
    reason: str,
) -> None:
    order_id, event_id, intent = challenged

    change(twin, intent)
    eventually(lambda: (reason,) in quarantined(patient, intent), "its webhook is set aside")
    patient.stack["reconciler"].signal(signal.SIGCONT)

    patient.wait_payment(event_id, "parked")
    assert patient.database.payment(event_id)["failure_code"] == f"{reason}_mismatch"
    assert patient.database.rows(
        "SELECT 1 FROM dead_letters WHERE event_id = %s AND resolved_at IS NULL", event_id
    )
    assert patient.status(order_id) == "pending"
    assert patient.database.outcomes(event_id) == []


def test_a_cancelled_order_whose_payment_holds_other_money_is_not_called_failed(
    patient: Shop, twin: Twin, challenged: tuple[str, UUID, str]
) -> None:
    """The customer's money is there, so nobody may say that nothing was taken."""
    order_id, event_id, intent = challenged
    capture_a_part(twin, intent)
    patient.stack["reconciler"].signal(signal.SIGCONT)
    patient.wait_payment(event_id, "parked")

    patient.cancel(order_id)
    eventually(
        lambda: patient.database.value(
            "SELECT cancel_requested_at IS NOT NULL FROM payments WHERE event_id = %s", event_id
        ),
        "the payment has heard of it",
    )
    asked = len(twin.rows("/requests", method="GET"))
    eventually(
        lambda: len(twin.rows("/requests", method="GET")) > asked, "the reconciler asks Stripe"
    )

    assert patient.database.payment_state(event_id) == "parked"
