"""The whole path of an order, over real processes: paid, declined, cancelled, refunded, mailed."""

from __future__ import annotations

from tests.support.stack import PRICE_CENTS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually


def test_an_order_is_charged_once_and_paid(shop: Shop, twin: Twin) -> None:
    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")

    assert [row["amount"] for row in twin.charges(event_id)] == [PRICE_CENTS]
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]
    assert shop.database.stock(shop.sku) == (99, 0, 1)


def test_a_declined_order_is_cancelled_with_its_code_and_its_stock_is_back(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id = shop.place("pm_card_visa_chargeDeclinedExpiredCard")

    shop.wait_status(order_id, "cancelled")

    assert twin.charges(event_id) == []
    assert shop.database.outcomes(event_id) == ["PaymentFailed"]
    assert shop.database.stock(shop.sku) == (100, 0, 0)
    reason = shop.database.value("SELECT cancel_reason FROM orders WHERE id = %s", order_id)
    assert reason == "expired_card"


def test_every_step_of_one_order_leaves_one_event(shop: Shop) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")
    shop.cancel(order_id)
    shop.wait_status(order_id, "refunded")

    told = shop.database.rows(
        "SELECT event_type, count(*) FROM outbox WHERE payload->>'root_event_id' = %s"
        " GROUP BY event_type ORDER BY event_type",
        str(event_id),
    )

    assert told == [
        ("OrderCancelled", 1),
        ("OrderPaid", 1),
        ("OrderPlaced", 1),
        ("PaymentCompleted", 1),
        ("PaymentRefunded", 1),
    ]


def test_a_paid_order_that_is_cancelled_is_refunded_once_and_restocked(
    shop: Shop, twin: Twin
) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")

    answer = shop.cancel(order_id)

    assert (answer.status, answer.json["status"]) == (202, "cancelled")
    shop.wait_status(order_id, "refunded")
    intent = shop.database.payment(event_id)["payment_intent_id"]
    assert [row["amount"] for row in twin.refunds(intent)] == [PRICE_CENTS]
    assert shop.database.payment_state(event_id) == "refunded"
    assert shop.database.stock(shop.sku) == (100, 0, 0)


def test_each_event_a_customer_should_know_of_is_one_mail(shop: Shop) -> None:
    order_id, _ = shop.place()
    shop.wait_status(order_id, "paid")
    shop.cancel(order_id)
    shop.wait_status(order_id, "refunded")

    mails = eventually(
        lambda: found if len(found := shop.stack.mail.about(order_id)) >= 3 else None,
        "three mails about the order",
    )

    assert sorted(mail["Subject"] for mail in mails) == [
        "Your money is on its way back",
        "Your order is cancelled",
        "Your order is paid",
    ]
    told = shop.database.rows("SELECT message_id FROM notifications WHERE order_id = %s", order_id)
    assert {mail["Message-ID"] for mail in mails} == {row[0] for row in told}
    assert all(mail["To"] == "cust_1@customers.bookpay.example" for mail in mails)
