"""Events of one order that come in another order than they happened."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest

from runtime.adapters.store.database import Session
from runtime.domain.event import ReceivedEvent, Record, parse_record
from runtime.domain.names import EventId, EventType, derive_event_id
from runtime.faults.points import Failpoints
from runtime.services.orders import saga
from runtime.services.orders.consumer import PaymentFollower
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


# --- several events of one poll -------------------------------------------------------------


def new_order(database: Database, order_id: str, quantity: int = 1) -> EventId:
    """A pending order of one book, its copy reserved."""
    root = EventId(uuid4())
    database.run(
        "INSERT INTO inventory (sku, title, unit_price_cents, currency, initial, on_hand)"
        " VALUES ('book', 'A Book', 100, 'usd', 10, 10) ON CONFLICT DO NOTHING"
    )
    database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, event_id) VALUES"
        " (%s, 'acme', 100, 'usd', %s)",
        *(order_id, root),
    )
    database.run(
        "INSERT INTO reservations (order_id, sku, quantity) VALUES (%s, 'book', %s)",
        *(order_id, quantity),
    )
    database.run(
        "UPDATE inventory SET on_hand = on_hand - %s, reserved = reserved + %s WHERE sku = 'book'",
        *(quantity, quantity),
    )
    return root


def ended(topic: str, root: EventId, order_id: str, offset: int, **changes: object) -> Record:
    body = {
        "event_id": str(uuid4()),
        "root_event_id": str(root),
        "order_id": order_id,
        "amount_cents": 100,
        "currency": "usd",
        **changes,
    }
    return Record(topic, 0, offset, b"", json.dumps(body).encode(), {"tenant_id": "acme"})


@pytest.fixture
def follower(database: Database) -> Iterator[PaymentFollower]:
    session = Session(database.dsn, "suite")
    yield PaymentFollower(session, OFF)
    session.drop()


def shelf(database: Database) -> tuple[int, int, int]:
    (row,) = database.rows("SELECT on_hand, reserved, sold FROM inventory WHERE sku = 'book'")
    return row


def statuses(database: Database) -> dict[str, str]:
    return dict(database.rows("SELECT id, status FROM orders"))


def test_one_transaction_follows_many_orders_of_one_book(
    database: Database, follower: PaymentFollower
) -> None:
    roots = {name: new_order(database, name) for name in ("a", "b", "c", "d")}

    follower.handle(
        [
            ended("payments.completed", roots["c"], "c", 0),
            ended("payments.failed", roots["a"], "a", 1, reason="card_declined"),
            ended("payments.completed", roots["b"], "b", 2),
            # Read twice, in the same poll.
            ended("payments.completed", roots["c"], "c", 3),
        ]
    )

    assert statuses(database) == {"a": "cancelled", "b": "paid", "c": "paid", "d": "pending"}
    assert shelf(database) == (7, 1, 2)
    assert database.rows("SELECT event_type, count(*) FROM outbox GROUP BY 1 ORDER BY 1") == [
        ("OrderCancelled", 1),
        ("OrderPaid", 2),
    ]
    assert database.value("SELECT count(DISTINCT xmin::text) FROM orders WHERE id <> 'd'") == 1


def test_a_later_event_of_the_same_order_finds_what_the_earlier_one_made(
    database: Database, follower: PaymentFollower
) -> None:
    root = new_order(database, "a")

    follower.handle(
        [
            ended("payments.failed", root, "a", 0, reason="card_declined"),
            ended("payments.refunded", root, "a", 1),
        ]
    )

    steps = database.rows("SELECT from_state, to_state FROM order_events ORDER BY id")
    assert steps == [("pending", "cancelled"), ("cancelled", "refunded")]
    assert shelf(database) == (10, 0, 0)


def test_a_record_that_spoils_its_batch_costs_itself_alone(
    database: Database, follower: PaymentFollower
) -> None:
    """A text that PostgreSQL cannot hold: the batch is rolled back, and each is tried by itself."""
    roots = {name: new_order(database, name) for name in ("a", "b", "c")}
    batch = [
        ended("payments.failed", roots["a"], "a", 0, reason="card_declined"),
        ended("payments.failed", roots["b"], "b", 1, reason="\x00"),
        ended("payments.completed", roots["c"], "c", 2),
    ]
    with pytest.raises(psycopg.DataError):
        follower.handle(batch)
    between = statuses(database)

    for record in batch:
        with contextlib.suppress(psycopg.DataError):
            follower.handle([record])

    assert set(between.values()) == {"pending"}
    assert statuses(database) == {"a": "cancelled", "b": "pending", "c": "paid"}
    assert shelf(database) == (8, 1, 1)


def test_two_consumers_with_the_same_orders_in_different_turns_do_not_die_of_it(
    database: Database,
) -> None:
    roots = {f"ord-{n}": new_order(database, f"ord-{n}", quantity=1) for n in range(10)}
    events = [ended("payments.completed", root, name, 0) for name, root in roots.items()]

    def follow_in(turn: list[Record]) -> None:
        session = Session(database.dsn, "suite")
        PaymentFollower(session, OFF).handle(turn)
        session.drop()

    with ThreadPoolExecutor(4) as threads:
        turns = [events, events[::-1], events[5:] + events[:5], events[::-1]]
        for done in [threads.submit(follow_in, turn) for turn in turns]:
            done.result(60)

    assert set(statuses(database).values()) == {"paid"}
    assert shelf(database) == (0, 0, 10)
    assert database.value("SELECT count(*) FROM outbox") == 10
