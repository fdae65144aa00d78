"""The orders API over real HTTP: one transaction, one order per client key, one copy per buyer."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from stack import PRICE_CENTS, Shop
from stack_processes import http


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
    assert UUID(body["event_id"])
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

    with pytest.raises(Exception, match="Connection"):
        shop.post(body, key)
    left = (orders_of(shop), shop.database.stock(shop.sku), events_of(shop))
    shop.stack.expect_crash(["orders-http"])
    shop.stack["orders-http"].wait_ready()
    answer = shop.post(body, key)

    assert left == (0, (100, 0, 0), 0)
    assert answer.status == 201
    assert orders_of(shop) == 1


def test_a_crash_after_the_commit_and_a_retry_are_one_order(shop: Shop) -> None:
    shop.database.arm("api.committed_before_response", tenant_id=shop.tenant_id)
    key, body = uuid4().hex, shop.body()

    with pytest.raises(Exception, match="Connection"):
        shop.post(body, key)
    shop.stack.expect_crash(["orders-http"])
    shop.stack["orders-http"].wait_ready()
    answer = shop.post(body, key)

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


def test_the_same_key_with_another_body_is_refused(shop: Shop) -> None:
    key = uuid4().hex
    shop.post(shop.body(), key)

    answer = shop.post(shop.body(customer_id="cust_2"), key)

    assert (answer.status, code_of(answer)) == (422, "key_reused")
    assert orders_of(shop) == 1


def test_the_same_key_of_another_tenant_is_another_order(shop: Shop) -> None:
    other, key = Shop(shop.stack), uuid4().hex

    answers = [shop.post(shop.body(), key), other.post(other.body(), key)]

    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].json["id"] != answers[1].json["id"]


def test_fifty_parallel_posts_of_one_key_are_one_order(shop: Shop) -> None:
    key, body = uuid4().hex, shop.body()

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: shop.post(body, key), range(50)))

    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {201, 409, 503}
    assert statuses[201] >= 1
    assert len({answer.body for answer in answers if answer.status == 201}) == 1
    assert {code_of(answer) for answer in answers if answer.status == 409} <= {"key_in_progress"}
    assert orders_of(shop) == 1
    on_hand, reserved, sold = shop.database.stock(shop.sku)
    assert (on_hand, reserved + sold) == (99, 1)


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


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"status": "paid"}, 422, "unknown_field"),
        ({"expected_total_cents": 0}, 422, "amount_invalid"),
        ({"expected_total_cents": 1.5}, 422, "amount_invalid"),
        ({"expected_total_cents": PRICE_CENTS - 1}, 422, "price_mismatch"),
        ({"currency": "USD"}, 422, "currency_invalid"),
        ({"currency": "jpy"}, 422, "currency_invalid"),
        ({"items": []}, 422, "items_empty"),
        ({"items": [{"sku": "nope", "quantity": 1}]}, 422, "sku_unknown"),
        ({"customer_id": "a\x00b"}, 422, "text_invalid"),
        ({"customer_id": "\u202eevil"}, 422, "text_invalid"),
        ({"payment_method": "http://169.254.169.254/"}, 422, "text_invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_that_cannot_be_granted_is_refused_with_its_code(
    shop: Shop, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = shop.post(shop.body(**changes))

    assert (answer.status, code_of(answer)) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert orders_of(shop) == 0
    assert shop.database.stock(shop.sku) == (100, 0, 0)


@pytest.mark.parametrize(
    ("quantity", "status", "code"),
    [(0, 422, "qty_invalid"), (10**9, 422, "qty_invalid"), (101, 409, "out_of_stock")],
)
def test_a_quantity_that_is_not_there_is_refused(
    shop: Shop, quantity: int, status: int, code: str
) -> None:
    answer = shop.post(shop.body(items=[{"sku": shop.sku, "quantity": quantity}]))

    assert (answer.status, code_of(answer)) == (status, code)


def test_the_same_book_twice_is_refused(shop: Shop) -> None:
    answer = shop.post(shop.body(items=[{"sku": shop.sku, "quantity": 1}] * 2))

    assert (answer.status, code_of(answer)) == (422, "sku_duplicate")


@pytest.mark.parametrize(
    "customer",
    ["'; DROP TABLE orders;--", '{"$gt":""}', "{{7*7}}", "%0d%0aSet-Cookie: a", "😀 Zoë"],
)
def test_an_unusual_text_is_stored_exactly(shop: Shop, customer: str) -> None:
    answer = shop.post(shop.body(customer_id=customer))

    stored = shop.database.value("SELECT customer_id FROM orders WHERE id = %s", answer.json["id"])
    assert (answer.status, stored) == (201, customer)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "key_missing"),
        ("", "key_invalid"),
        ("x" * 256, "key_invalid"),
        ("a b", "key_invalid"),
    ],
)
def test_a_request_without_a_usable_key_is_refused(shop: Shop, key: str | None, code: str) -> None:
    headers = {} if key is None else {"Idempotency_Key": key}

    answer = shop.request(
        "POST", "/orders", shop.body(), Content_Type="application/json", **headers
    )

    assert (answer.status, code_of(answer)) == (400, code)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic dXNlcg==", "x"])
def test_without_a_valid_token_there_is_nothing_to_see(shop: Shop, authorization: str) -> None:
    order_id, _ = shop.place()

    answers = [
        shop.request("GET", f"/orders/{order_id}", Authorization=authorization),
        shop.request(
            *("POST", "/orders", shop.body()),
            Authorization=authorization,
            Content_Type="application/json",
            Idempotency_Key="k",
        ),
    ]

    assert [answer.status for answer in answers] == [401, 401]
    assert all(answer.headers["WWW-Authenticate"] == "Bearer" for answer in answers)


def test_an_expired_token_is_no_token(shop: Shop) -> None:
    shop.database.run(
        "UPDATE api_tokens SET expires_at = now() - interval '1 second' WHERE tenant_id = %s",
        shop.tenant_id,
    )

    assert shop.post(shop.body()).status == 401


def test_another_tenants_order_is_not_there_to_see_or_to_cancel(shop: Shop) -> None:
    order_id, _ = shop.place()
    stranger = Shop(shop.stack)

    answers = [stranger.request("GET", f"/orders/{order_id}"), stranger.cancel(order_id)]

    assert [(answer.status, code_of(answer)) for answer in answers] == [(404, "not_found")] * 2
    assert shop.status(order_id) != "cancelled"


@pytest.mark.parametrize("order_id", ["nope", "..%2f..%2fetc", "%00", "x" * 300, "%F0%9F%98%80"])
def test_an_id_that_names_nothing_is_not_found(shop: Shop, order_id: str) -> None:
    answer = shop.request("GET", f"/orders/{order_id}")

    assert (answer.status, code_of(answer)) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/orders", 405),
        ("PUT", "/orders/x", 405),
        ("DELETE", "/orders/x", 405),
        ("GET", "/admin", 404),
        ("GET", "/orders/", 404),
        ("GET", "/docs", 404),
    ],
)
def test_what_is_not_offered_is_refused(shop: Shop, method: str, path: str, status: int) -> None:
    answer = shop.request(method, path)

    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "body_invalid"),
        (b"{", 400, "body_invalid"),
        (b'{"currency":NaN}', 400, "body_invalid"),
        (b'{"currency":"usd","currency":"eur"}', 400, "body_invalid"),
        (b"[" * 60_000, 400, "body_invalid"),
        (b" " * 70_000, 413, "body_too_large"),
    ],
    ids=["empty", "cut", "NaN", "duplicate", "deep", "large"],
)
def test_a_body_that_is_no_order_is_refused(
    shop: Shop, body: bytes, status: int, code: str
) -> None:
    answer = shop.post(body)

    assert (answer.status, code_of(answer)) == (status, code)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": ""},
        {"Content_Type": "application/json", "Content_Encoding": "gzip"},
    ],
    ids=str,
)
def test_a_body_of_another_type_is_refused(shop: Shop, headers: dict[str, str]) -> None:
    body = gzip.compress(b" " * 10_000_000)

    answer = shop.request("POST", "/orders", body, Idempotency_Key="k", **headers)

    assert (answer.status, code_of(answer)) == (415, "content_type")


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

    assert set(json.loads(answer.data)["paths"]) == {
        "/orders",
        "/orders/{order_id}",
        "/orders/{order_id}/cancel",
    }
