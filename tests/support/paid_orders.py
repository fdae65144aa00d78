"""Paid orders as rows of a database, with the events that a publisher then sends."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

from runtime.domain.names import EventId, EventType, derive_event_id
from tests.support.stack import Database
from tests.support.waiting import eventually


def write_paid_order(
    database: Database, *, tenant_id: str = "acme", is_marked: bool = False
) -> UUID:
    """One paid order with its three outbox rows of a minute ago; returns its root event id.

    Args:
        is_marked: the rows say that they were published, so no publisher will.
    """
    root = uuid4()
    order_id = f"ord_{root.hex}"
    database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, status, event_id)"
        " VALUES (%s, %s, 1999, 'usd', 'paid', %s)",
        *(order_id, tenant_id, root),
    )
    database.run(
        "INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state,"
        " payment_intent_id) VALUES (%s, %s, %s, 1999, 'usd', 'succeeded', %s)",
        *(root, order_id, tenant_id, f"pi_{root.hex}"),
    )
    for event_type, aggregate, aggregate_id in (
        (EventType.ORDER_PLACED, "orders", order_id),
        (EventType.PAYMENT_COMPLETED, "payments", str(root)),
        (EventType.ORDER_PAID, "orders", order_id),
    ):
        placed = event_type is EventType.ORDER_PLACED
        event_id = root if placed else derive_event_id(EventId(root), event_type)
        payload = {
            "event_id": str(event_id),
            "root_event_id": str(root),
            "order_id": order_id,
            "amount_cents": 1999,
            "currency": "usd",
        }
        if event_type is EventType.PAYMENT_COMPLETED:
            payload["payment_intent_id"] = f"pi_{root.hex}"
        database.run(
            "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,"
            " published_at, created_at) VALUES (%s, %s, %s, %s, %s, %s,"
            " CASE WHEN %s THEN clock_timestamp() END, clock_timestamp() - interval '1 minute')",
            *(
                event_id,
                aggregate,
                aggregate_id,
                event_type,
                json.dumps(payload),
                tenant_id,
                is_marked,
            ),
        )
    return root


def wait_until_published(database: Database) -> None:
    """Wait until the publisher has marked every row."""
    eventually(
        lambda: not database.value("SELECT count(*) FROM outbox WHERE published_at IS NULL"),
        "every row is published",
    )
