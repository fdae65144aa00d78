"""The orders API within the whole stack: one transaction, one order per client key, one buyer.

What it refuses stands in test_orders_cases.py.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.http_client import NoAnswer, http
from tests.support.stack import PRICE_CENTS, Shop


def code_of(answer: Any) -> str:
    code: str = answer.json["code"]
    return code


def orders_of(shop: Shop) -> int:
    count: int = shop.database.value(
        "SELECT count(*) FROM orders WHERE tenant_id = %s", shop.tenant_id
    )
    return count


def events_of(shop: Shop) -> int:
    count: int = shop.database.value(
        "SELECT count(*) FROM outbox WHERE tenant_id = %s", shop.tenant_id
    )
    return count


# --- placing --------------------------------------------------------------------------------


def test_a_placed_order_answers_with_everything_the_client_needs(shop: Shop) -> None:
    answer = shop.post(shop.body())

    body = answer.json
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert (body["status"], body["total_cents"], body["currency"]) == ("pending", 1999, "usd")
    assert body["tenant_id"] == shop.tenant_id
    assert body["items"] == [{"sku": shop.sku, "quantity": 1}]
    assert str(UUID(body["event_id"])) == body["event_id"]
    assert "Idempotent-Replayed" not in answer.headers


def test_order_stock_and_event_are_written_together(shop: Shop) -> None:
    answer = shop.post(shop.body(items=[{"sku": shop.sku, "quantity": 3}]))

    (event,) = shop.database.rows(
        "SELECT event_type, aggregate_id, payload FROM outbox WHERE event_id = %s",
        answer.json["event_id"],
    )
    assert event[:2] == ("OrderPlaced", answer.json["id"])
    assert event[2]["amount_cents"] == 3 * PRICE_CENTS
    on_hand, reserved, sold = shop.database.stock(shop.sku)
    assert (on_hand, reserved + sold) == (97, 3)


@pytest.mark.parametrize(
    "point", ["api.validated_before_tx", "api.order_inserted_before_outbox", "api.before_commit"]
)
def test_a_crash_before_the_commit_leaves_nothing_and_the_retry_makes_one_order(
    shop: Shop, point: str
) -> None:
    shop.database.arm(point, tenant_id=shop.tenant_id)
    key, body = uuid4().hex, shop.body()

    cut_off = shop.attempt_post(body, key)
    left = (orders_of(shop), shop.database.stock(shop.sku), events_of(shop))
    shop.stack.expect_crash(["orders-http"])
    shop.stack["orders-http"].wait_ready()
    answer = shop.post(body, key)

    assert isinstance(cut_off, NoAnswer)
    assert left == (0, (100, 0, 0), 0)
    assert answer.status == 201
    assert orders_of(shop) == 1


def test_a_crash_after_the_commit_and_a_retry_are_one_order(shop: Shop) -> None:
    shop.database.arm("api.committed_before_response", tenant_id=shop.tenant_id)
    key, body = uuid4().hex, shop.body()

    cut_off = shop.attempt_post(body, key)
    shop.stack.expect_crash(["orders-http"])
    shop.stack["orders-http"].wait_ready()
    answer = shop.post(body, key)

    assert isinstance(cut_off, NoAnswer)
    assert (answer.status, answer.headers["Idempotent-Replayed"]) == (201, "true")
    assert orders_of(shop) == 1


# --- idempotency ----------------------------------------------------------------------------


def test_a_replay_is_the_same_bytes_whatever_happened_since(shop: Shop) -> None:
    key, body = uuid4().hex, shop.body()
    first = shop.post(body, key)
    shop.wait_status(first.json["id"], "paid")

    second = shop.post(body, key)

    assert (second.status, second.body) == (201, first.body)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert orders_of(shop) == 1


def test_fifty_buyers_of_the_last_copy_are_one_buyer(shop: Shop) -> None:
    shop.database.add_book(f"last-{shop.tenant_id}", 1)
    body = shop.body(items=[{"sku": f"last-{shop.tenant_id}", "quantity": 1}])

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: shop.post(body), range(50)))

    placed = [answer for answer in answers if answer.status == 201]
    refused = {code_of(answer) for answer in answers if answer.status != 201}
    assert len(placed) == 1
    assert refused <= {"out_of_stock", "unavailable"}
    shop.wait_status(placed[0].json["id"], "paid")
    assert shop.database.stock(f"last-{shop.tenant_id}") == (0, 0, 1)


def test_two_carts_with_the_same_books_in_opposite_order_never_deadlock(shop: Shop) -> None:
    other = f"other-{shop.tenant_id}"
    shop.database.add_book(other, 100)
    carts = [[shop.sku, other], [other, shop.sku]]
    bodies = [shop.body(items=[{"sku": s, "quantity": 1} for s in cart]) for cart in carts]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: shop.post(bodies[n % 2]).status, range(24)))

    assert answers == [201] * 24


# --- the rest of the path ---------------------------------------------------------------------


def test_an_order_is_shown_with_its_payment(shop: Shop) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")

    shown = shop.request("GET", f"/orders/{order_id}").json

    intent = shop.database.payment(event_id)["payment_intent_id"]
    assert shown["payment"] == {"state": "succeeded", "payment_intent_id": intent}


def test_an_order_may_be_placed_while_kafka_and_the_workers_are_of_no_help(shop: Shop) -> None:
    """The outbox absorbs it: what the API needs is its database alone."""
    publisher = shop.stack["publisher"]
    publisher.stop()

    order_id, _ = shop.place()
    publisher.start()

    shop.wait_status(order_id, "paid")


def test_the_openapi_document_is_served(shop: Shop) -> None:
    answer = http.request("GET", shop.stack["orders-http"].url + "/openapi.json")

    assert set(answer.json["paths"]) == {
        "/orders",
        "/orders/{order_id}",
        "/orders/{order_id}/cancel",
    }


def test_a_body_over_64_kib_is_refused_before_it_is_parsed(shop: Shop) -> None:
    answer = shop.post(b" " * (64 * 1024 + 1))

    assert (answer.status, answer.json["code"]) == (413, "body_too_large")
