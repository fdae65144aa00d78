"""How many charges a worker has in flight, and that it holds nothing while it waits for Stripe."""

from __future__ import annotations

import json
from collections import Counter
from uuid import uuid4

from tests.support.stack import PRICE_CENTS, WORKERS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually

CONCURRENCY = 16  # BOOKPAY_WORKER_CONCURRENCY of the suite's workers
ORDERS = 60  # more than both workers can have in flight together


def place_by_hand(shop: Shop, count: int) -> None:
    """Orders and their outbox rows in one transaction, as the chapter writes them."""
    orders = {f"order-{uuid4().hex}": uuid4() for _ in range(count)}
    with shop.database.conn.transaction():
        for order_id, event_id in orders.items():
            payload = {
                "event_id": str(event_id),
                "order_id": order_id,
                "amount_cents": PRICE_CENTS,
                "currency": "usd",
            }
            shop.database.run(
                "INSERT INTO orders (id, tenant_id, total_cents, currency, status)"
                " VALUES (%s, %s, %s, 'usd', 'pending')",
                *(order_id, shop.tenant_id, PRICE_CENTS),
            )
            shop.database.run(
                "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload,"
                " tenant_id) VALUES (%s, 'orders', %s, 'OrderPlaced', %s, %s)",
                *(event_id, order_id, json.dumps(payload), shop.tenant_id),
            )


def test_workers_fill_every_place_and_hold_no_transaction_while_stripe_takes_its_time(
    shop: Shop, twin: Twin
) -> None:
    twin.fault("latency", match=shop.aim, numbers={"milliseconds": 2000}, count=ORDERS)
    place_by_hand(shop, ORDERS)

    most: Counter[str] = Counter()

    def each_was_full() -> bool:
        in_flight = shop.database.rows(
            "SELECT lease_owner, count(*) FROM payments WHERE tenant_id = %s"
            " AND state = 'charging' GROUP BY lease_owner",
            shop.tenant_id,
        )
        most.update({owner: max(0, count - most[owner]) for owner, count in in_flight})
        return sorted(most.values()) == [CONCURRENCY] * len(WORKERS)

    # Not at one moment: on a busy machine one may have ended some before the other is full.
    eventually(each_was_full, lambda: f"both had {CONCURRENCY} charges in flight: {dict(most)}")
    seen: list[tuple[int, int]] = []

    def all_paid() -> bool:
        seen.extend(connections_and_stuck(shop))
        return not shop.database.value(
            "SELECT count(*) FROM orders WHERE tenant_id = %s AND status <> 'paid'", shop.tenant_id
        )

    # Looked at all the way: when the workers are full, their calls have only just begun.
    eventually(all_paid, "every order is paid")

    assert max(connections for connections, _ in seen) >= len(WORKERS)
    assert max(stuck for _, stuck in seen) == 0


def connections_and_stuck(shop: Shop) -> list[tuple[int, int]]:
    """The workers' connections, and how many wait in a transaction as only Stripe makes wait."""
    return [
        (row[0], row[1])
        for row in shop.database.rows(
            "SELECT count(*), count(*) FILTER (WHERE state LIKE 'idle in transaction%%'"
            " AND state_change < clock_timestamp() - interval '1.5 seconds')"
            " FROM pg_stat_activity WHERE application_name = ANY (%s)",
            list(WORKERS),
        )
    ]
