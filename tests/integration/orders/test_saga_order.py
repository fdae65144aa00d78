"""Events of one order that come in another order than they happened."""

from __future__ import annotations

import json
from uuid import uuid4

from runtime.domain.event import ReceivedEvent, Record, parse_record
from runtime.domain.names import EventId, EventType, derive_event_id
from runtime.faults.points import Failpoints
from runtime.services.orders import saga
from tests.support.stack import Database

OFF = Failpoints(None, "suite", uuid4(), None)


def follow_refunded(database: Database, root: EventId, order_id: str) -> str:
    """Follow payments.refunded for this order; returns what it came to."""
    body = {
        "event_id": str(derive_event_id(root, EventType.PAYMENT_REFUNDED)),
        "root_event_id": str(root),
        "order_id": order_id,
        "amount_cents": 100,
        "currency": "usd",
    }
    record = Record(
        "payments.refunded", 0, 0, b"", json.dumps(body).encode(), {"tenant_id": "acme"}
    )
    event = parse_record(record)
    assert isinstance(event, ReceivedEvent)
    with database.conn.transaction():
        return saga.follow(database.conn, record, event, OFF)


def test_a_refund_that_overtakes_the_failure_cancels_and_refunds_the_order(
    database: Database,
) -> None:
    root = EventId(uuid4())
    database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency) VALUES"
        " ('ord_1', 'acme', 100, 'usd')"
    )

    came_to = follow_refunded(database, root, "ord_1")

    steps = database.rows("SELECT from_state, to_state FROM order_events ORDER BY id")
    told = database.rows("SELECT event_type FROM outbox")
    assert came_to == "refunded"
    assert steps == [("pending", "cancelled"), ("cancelled", "refunded")]
    assert told == [("OrderCancelled",)]


def test_a_refund_for_a_paid_order_changes_nothing(database: Database) -> None:
    root = EventId(uuid4())
    database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, status) VALUES"
        " ('ord_1', 'acme', 100, 'usd', 'paid')"
    )

    follow_refunded(database, root, "ord_1")

    assert database.rows("SELECT status FROM orders") == [("paid",)]
