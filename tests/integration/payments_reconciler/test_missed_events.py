"""Events that never had their consequence: published again, or the order ends."""

from __future__ import annotations

import json
from uuid import UUID, uuid4, uuid5

from tests.support.stack import PRICE_CENTS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually

LONG_AGO = "clock_timestamp() - interval '1 hour'"


def write_order(shop: Shop, *, ago: str = LONG_AGO) -> str:
    """An order written by hand, without any event; returns its id."""
    order_id = f"ord_{uuid4().hex}"
    shop.database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, created_at)"
        f" VALUES (%s, %s, %s, 'usd', {ago})",
        *(order_id, shop.tenant_id, PRICE_CENTS),
    )
    return order_id


def write_lost_event(
    shop: Shop, root: UUID, order_id: str, event_type: str, *, aggregate: str = "orders"
) -> None:
    """An outbox row that was published an hour ago and that no consumer has heard of."""
    event_id = root if event_type == "OrderPlaced" else uuid5(root, event_type)
    payload = {
        "event_id": str(event_id),
        "root_event_id": str(root),
        "order_id": order_id,
        "amount_cents": PRICE_CENTS,
        "currency": "usd",
        "reason": "lost",
    }
    shop.database.run(
        "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,"
        f" published_at) VALUES (%s, %s, %s, %s, %s, %s, {LONG_AGO})",
        *(event_id, aggregate, order_id if aggregate == "orders" else str(root)),
        *(event_type, json.dumps(payload), shop.tenant_id),
    )


def test_an_order_whose_event_was_lost_on_the_way_is_paid_all_the_same(
    shop: Shop, twin: Twin
) -> None:
    order_id, root = write_order(shop), uuid4()
    write_lost_event(shop, root, order_id, "OrderPlaced")

    shop.wait_status(order_id, "paid")

    assert len(twin.charges(root)) == 1


def test_a_lost_outcome_reaches_its_order(shop: Shop) -> None:
    order_id, root = write_order(shop), uuid4()
    write_lost_event(shop, root, order_id, "OrderPlaced")
    write_lost_event(shop, root, order_id, "PaymentFailed", aggregate="payments")
    shop.database.run(
        "INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state,"
        " failure_code) VALUES (%s, %s, %s, %s, 'usd', 'failed', 'card_declined')",
        *(root, order_id, shop.tenant_id, PRICE_CENTS),
    )

    shop.wait_status(order_id, "cancelled")


def test_a_lost_cancellation_gives_the_money_back(shop: Shop, twin: Twin) -> None:
    order_id, root = shop.place()
    shop.wait_status(order_id, "paid")
    shop.database.run(
        "UPDATE orders SET status = 'cancelled', cancel_reason = 'lost',"
        f" updated_at = {LONG_AGO} WHERE id = %s",
        order_id,
    )
    write_lost_event(shop, root, order_id, "OrderCancelled")

    shop.wait_status(order_id, "refunded")

    intent = shop.database.payment(root)["payment_intent_id"]
    assert len(twin.refunds(intent)) == 1


def test_an_order_that_never_got_an_event_is_cancelled_and_told_so(shop: Shop) -> None:
    order_id = write_order(shop)

    shop.wait_status(order_id, "cancelled")

    reason = shop.database.value("SELECT cancel_reason FROM orders WHERE id = %s", order_id)
    assert reason == "event_missing"
    eventually(
        lambda: shop.database.rows(
            "SELECT 1 FROM payments WHERE order_id = %s AND state = 'failed'", order_id
        ),
        "the payment that never was is closed too",
    )
    eventually(lambda: shop.stack.mail.about(order_id), "the customer is told")


def test_an_event_without_consequence_is_not_told_for_ever(shop: Shop) -> None:
    """Six times at most, each wait twice as long: then people have to look."""
    order_id, root = write_order(shop), uuid4()
    write_lost_event(shop, root, order_id, "OrderPlaced")
    shop.database.run("INSERT INTO events_told_again (event_id, times) VALUES (%s, 6)", root)
    control, control_root = write_order(shop), uuid4()
    write_lost_event(shop, control_root, control, "OrderPlaced")

    shop.wait_status(control, "paid")

    told = shop.database.value("SELECT times FROM events_told_again WHERE event_id = %s", root)
    assert (told, shop.status(order_id)) == (6, "pending")
    assert shop.database.value(
        "SELECT published_at IS NOT NULL FROM outbox WHERE event_id = %s", root
    )
