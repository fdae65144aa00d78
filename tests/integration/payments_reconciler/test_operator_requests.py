"""What operators ask for is granted by the state machine, or refused with the reason."""

from __future__ import annotations

import json
from uuid import UUID

from tests.support.operator_requests import ask_operator
from tests.support.stack import Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually
from tests.support.webhooks import encoded, intent_event, post_webhook


def dead_letter(shop: Shop, event_id: UUID) -> int:
    """The open dead letter of a payment, once it is there."""
    letter: int = eventually(
        lambda: shop.database.value(
            "SELECT id FROM dead_letters WHERE event_id = %s AND resolved_at IS NULL", event_id
        ),
        f"payment {event_id} has an open dead letter",
    )
    return letter


def park(shop: Shop) -> tuple[str, UUID, int]:
    """A payment that Stripe calls wrong: order, root event, number of its dead letter."""
    shop.database.run("UPDATE inventory SET unit_price_cents = 1 WHERE sku = %s", shop.sku)
    order_id, event_id = shop.place()
    shop.wait_payment(event_id, "parked")
    return order_id, event_id, dead_letter(shop, event_id)


def test_a_redriven_payment_is_sent_again_and_parked_again(shop: Shop, twin: Twin) -> None:
    """The request is as wrong as before: the same dead letter is open once more."""
    _, event_id, letter = park(shop)

    result, detail = ask_operator(shop, "redrive_dead_letter", row_id=letter)

    assert (result, detail) == ("done", "the payment is pending again, with the same key")
    eventually(lambda: len(twin.posts(event_id)) == 2, "it was sent a second time")
    assert dead_letter(shop, event_id) == letter
    assert {row["idempotency_key"] for row in twin.posts(event_id)} == {str(event_id)}


def test_a_redriven_payment_whose_cause_is_mended_is_paid(shop: Shop, twin: Twin) -> None:
    fault = twin.fault("reject", match=shop.aim, numbers={"status": 400})
    order_id, event_id = shop.place()
    shop.wait_payment(event_id, "parked")
    letter = dead_letter(shop, event_id)
    twin.clear_fault(fault)

    result, _ = ask_operator(shop, "redrive_dead_letter", row_id=letter)

    assert result == "done"
    shop.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1
    assert shop.database.value("SELECT resolved_at FROM dead_letters WHERE id = %s", letter)


def test_a_payment_that_may_have_run_is_not_redriven_before_stripe_was_asked(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id, letter = park(shop)
    shop.database.run(
        "UPDATE payments SET maybe_executed = true, needs_reconcile = false WHERE event_id = %s",
        event_id,
    )

    result, detail = ask_operator(shop, "redrive_dead_letter", row_id=letter)

    assert (result, detail) == ("refused", "it may have been executed; reconcile it first")
    assert shop.status(order_id) == "pending"
    assert len(twin.posts(event_id)) == 1


def test_a_redrive_of_a_cancelled_order_is_refused(shop: Shop) -> None:
    order_id, event_id, letter = park(shop)
    shop.cancel(order_id)
    shop.wait_payment(event_id, "failed")

    result, _ = ask_operator(shop, "redrive_dead_letter", row_id=letter)

    assert result == "refused"


def test_a_dead_letter_that_is_not_there_is_said_to_be_so(shop: Shop) -> None:
    answer = ask_operator(shop, "redrive_dead_letter", row_id=10**9)

    assert answer == ("refused", "there is no such dead letter")


def test_an_unpublishable_outbox_row_is_published_after_its_redrive(shop: Shop) -> None:
    event_id = shop.database.value("SELECT gen_random_uuid()")
    shop.database.run(
        "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id)"
        " VALUES (%s, 'orders', 'ord_x', 'NoSuchEvent', '{}', %s)",
        *(event_id, shop.tenant_id),
    )
    letter = dead_letter(shop, event_id)
    shop.database.run(
        "UPDATE outbox SET event_type = 'OrderPaid', payload = %s WHERE event_id = %s",
        *(
            json.dumps({"order_id": "ord_x", "amount_cents": 100, "currency": "usd"}),
            event_id,
        ),
    )

    assert ask_operator(shop, "redrive_dead_letter", row_id=letter)[0] == "done"

    eventually(
        lambda: shop.database.value(
            "SELECT published_at FROM outbox WHERE event_id = %s", event_id
        ),
        "the row is published",
    )


def quarantined(shop: Shop, body: bytes) -> int:
    assert post_webhook(shop.stack["receiver"], body).status == 200
    number = shop.database.value("SELECT id FROM webhook_quarantine WHERE body = %s", body)
    assert number is not None
    return int(number)


def test_a_released_webhook_that_still_contradicts_stays_in_quarantine(
    shop: Shop, waiting: tuple[str, UUID, str]
) -> None:
    _, event_id, intent = waiting
    held = quarantined(shop, intent_event(event_id, payment_intent_id=intent, amount=1))

    result, detail = ask_operator(shop, "release_webhook", row_id=held)

    assert (result, detail) == ("refused", "it still does not fit: amount")
    assert shop.database.payment_state(event_id) == "processing"


def test_a_released_webhook_that_fits_now_has_its_effect(
    shop: Shop, waiting: tuple[str, UUID, str]
) -> None:
    order_id, event_id, intent = waiting
    shop.database.run("UPDATE payments SET amount_cents = 1 WHERE event_id = %s", event_id)
    held = quarantined(shop, intent_event(event_id, payment_intent_id=intent))
    shop.database.run("UPDATE payments SET amount_cents = 1999 WHERE event_id = %s", event_id)

    result, _ = ask_operator(shop, "release_webhook", row_id=held)

    assert result == "done"
    shop.wait_status(order_id, "paid")


def test_a_discarded_webhook_has_no_effect_and_is_not_released_twice(
    shop: Shop, waiting: tuple[str, UUID, str]
) -> None:
    _, event_id, intent = waiting
    held = quarantined(shop, intent_event(event_id, payment_intent_id=intent, currency="eur"))

    first = ask_operator(shop, "discard_webhook", row_id=held)
    second = ask_operator(shop, "release_webhook", row_id=held)

    assert first == ("done", "discarded; it has no effect")
    assert second == ("refused", "it left quarantine already")
    assert shop.database.payment_state(event_id) == "processing"


def test_an_odd_body_cannot_be_released(shop: Shop) -> None:
    held = quarantined(shop, encoded(object="not-an-event"))

    assert ask_operator(shop, "release_webhook", row_id=held) == (
        "refused",
        "it still does not fit: unreadable",
    )
