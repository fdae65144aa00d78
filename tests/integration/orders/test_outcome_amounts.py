"""A payment's outcome that names other money than its order's: set aside, and nothing moves."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from runtime.domain.names import EventId, EventType, derive_event_id
from tests.support.http_client import http
from tests.support.records import produce, reasons_at
from tests.support.stack import PRICE_CENTS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually

TYPE_OF_TOPIC = {
    "payments.completed": EventType.PAYMENT_COMPLETED,
    "payments.failed": EventType.PAYMENT_FAILED,
    "payments.refunded": EventType.PAYMENT_REFUNDED,
}


def outcome(topic: str, root: UUID, order_id: str, **changes: Any) -> bytes:
    document = {
        "event_id": str(derive_event_id(EventId(root), TYPE_OF_TOPIC[topic])),
        "root_event_id": str(root),
        "order_id": order_id,
        "amount_cents": PRICE_CENTS,
        "currency": "usd",
        **changes,
    }
    return json.dumps(
        {name: value for name, value in document.items() if value is not None}
    ).encode()


@pytest.fixture
def waiting(shop: Shop) -> tuple[str, UUID]:
    """An order whose payment Stripe still has in its hands; returns order_id and root."""
    order_id, root = shop.place("pm_twin_card_processing")
    shop.wait_payment(root, "processing")
    return order_id, root


def order_of(shop: Shop, order_id: str) -> tuple[str, int, list[str]]:
    """Its status, the steps of its history, and the events it has announced."""
    announced = shop.database.rows(
        "SELECT event_type FROM outbox WHERE aggregate = 'orders' AND aggregate_id = %s", order_id
    )
    steps: int = shop.database.value(
        "SELECT count(*) FROM order_events WHERE order_id = %s", order_id
    )
    return shop.status(order_id), steps, [row[0] for row in announced]


@pytest.mark.parametrize("topic", list(TYPE_OF_TOPIC))
@pytest.mark.parametrize(
    ("cents", "currency"), [(1, "eur"), (PRICE_CENTS - 1, "usd"), (PRICE_CENTS, "eur")]
)
def test_an_outcome_about_other_money_is_a_dead_letter_and_its_order_stays_as_it_was(
    shop: Shop, waiting: tuple[str, UUID], topic: str, cents: int, currency: str
) -> None:
    order_id, root = waiting
    forged = outcome(topic, root, order_id, amount_cents=cents, currency=currency)

    place = produce(shop, topic, forged, tenant_id=shop.tenant_id)

    eventually(
        lambda: reasons_at(shop, topic, place) or shop.status(order_id) != "pending",
        "the record is dealt with",
    )
    assert reasons_at(shop, topic, place) == ["amount_mismatch"]
    assert order_of(shop, order_id) == ("pending", 1, ["OrderPlaced"])
    assert shop.database.stock(shop.sku) == (99, 1, 0)


@pytest.mark.parametrize(
    "changes", [{"amount_cents": None}, {"amount_cents": "1999"}, {"currency": None}], ids=str
)
def test_an_outcome_whose_money_cannot_be_read_is_a_dead_letter(
    shop: Shop, waiting: tuple[str, UUID], changes: dict[str, str | None]
) -> None:
    order_id, root = waiting
    topic = "payments.completed"

    place = produce(
        shop, topic, outcome(topic, root, order_id, **changes), tenant_id=shop.tenant_id
    )

    eventually(lambda: reasons_at(shop, topic, place), "the record has a dead letter")
    assert reasons_at(shop, topic, place) == ["amount"]
    assert order_of(shop, order_id) == ("pending", 1, ["OrderPlaced"])


def test_the_consumer_goes_on_behind_it_and_says_so_as_an_error(
    shop: Shop, waiting: tuple[str, UUID], twin: Twin
) -> None:
    order_id, root = waiting
    forged = outcome("payments.completed", root, order_id, amount_cents=1)
    place = produce(shop, "payments.completed", forged, tenant_id=shop.tenant_id)
    eventually(lambda: reasons_at(shop, "payments.completed", place), "it has a dead letter")

    later, later_root = shop.place()

    shop.wait_status(later, "paid")
    assert len(twin.charges(later_root)) == 1
    (line,) = [
        json.loads(line)
        for line in shop.stack["orders-consumer"].log.splitlines()
        if order_id in line and "amount_mismatch" in line
    ]
    metrics = http.request("GET", shop.stack["orders-consumer"].url + "/metrics").body.decode()
    counter = 'bookpay_dead_letters_total{reason="amount_mismatch",source="orders-service"}'
    assert counter in metrics
    assert line["level"] == "ERROR"
    assert (line["order_amount_cents"], line["event_amount_cents"]) == (PRICE_CENTS, 1)


def test_the_true_outcome_still_pays_an_order_that_was_lied_about(
    shop: Shop, waiting: tuple[str, UUID]
) -> None:
    order_id, root = waiting
    topic = "payments.completed"
    lie = produce(
        shop, topic, outcome(topic, root, order_id, amount_cents=1), tenant_id=shop.tenant_id
    )
    eventually(lambda: reasons_at(shop, topic, lie), "the lie has a dead letter")

    truth = produce(shop, topic, outcome(topic, root, order_id), tenant_id=shop.tenant_id)

    shop.wait_status(order_id, "paid")
    assert reasons_at(shop, topic, truth) == []


# --- cancellations, which give money back ---------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_cents": 1}, "amount_mismatch"),
        ({"currency": "eur"}, "amount_mismatch"),
        ({"order_id": "ord_another"}, "order_mismatch"),
    ],
    ids=str,
)
def test_a_cancellation_about_something_else_gives_nothing_back(
    shop: Shop, twin: Twin, changes: dict[str, Any], reason: str
) -> None:
    order_id, root = shop.place()
    shop.wait_status(order_id, "paid")
    document = {
        "event_id": str(derive_event_id(EventId(root), EventType.ORDER_CANCELLED)),
        "root_event_id": str(root),
        "order_id": order_id,
        "amount_cents": PRICE_CENTS,
        "currency": "usd",
        **changes,
    }

    place = produce(
        shop, "orders.cancelled", json.dumps(document).encode(), tenant_id=shop.tenant_id
    )

    eventually(
        lambda: (
            reasons_at(shop, "orders.cancelled", place)
            or shop.database.payment_state(root) != "succeeded"
        ),
        "the record is dealt with",
    )
    assert reasons_at(shop, "orders.cancelled", place) == [reason]
    assert shop.database.payment_state(root) == "succeeded"
    intent = shop.database.payment(root)["payment_intent_id"]
    assert twin.refunds(intent) == []
