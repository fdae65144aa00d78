"""How many payments' ends a second orders follow, by when their transaction takes the shelves.

Today a poll's events share a transaction whose last statement moves the shelves, and a new order
takes its books last as well. Before, each event had a transaction of its own that moved the shelf
in its midst, and a new order locked its shelves before it was priced and written. Both are followed
alone and beside clients that place orders of the one book, as a best-seller's day has it.

Runs on a PostgreSQL of its own that flushes commits as the services do. Rounds take turns and the
ratio of each round is what counts: a machine that does something else as well slows both.

    python -m benchmarks.orders_consumer [--events 1000] [--clients 4] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg

from runtime.adapters.store import database, orders, outbox
from runtime.adapters.store.orders import Item, NewOrder
from runtime.domain.event import Record, order_event
from runtime.domain.money import Money
from runtime.domain.names import EventId, EventType, OrderId, OrderStatus, TenantId, Topic
from runtime.domain.order import OrderEvent, next_order_step
from runtime.faults.points import Failpoints
from runtime.services.orders.consumer import EVENTS_AT_ONCE, PaymentFollower
from runtime.services.orders.place import place_order
from runtime.services.orders.request import PlaceOrder
from runtime.sql import migrate
from tests.support.servers import running_servers

TENANT: Final = TenantId("acme")
BOOK: Final = "best-seller"
CENTS: Final = 4_200
COPIES: Final = 100_000_000

SELL_IN_THE_MIDST: Final = """
    WITH books AS (SELECT inventory.sku FROM inventory JOIN reservations USING (sku)
                   WHERE order_id = %(order_id)s ORDER BY inventory.sku FOR UPDATE OF inventory),
    moved AS (UPDATE reservations SET state = 'sold'
              WHERE order_id = %(order_id)s AND state = 'held'
                AND sku IN (SELECT sku FROM books) RETURNING sku, quantity)
    UPDATE inventory SET reserved = reserved - moved.quantity, sold = sold + moved.quantity
    FROM moved WHERE inventory.sku = moved.sku
"""
LOCK_SHELVES: Final = "SELECT on_hand FROM inventory WHERE sku = ANY (%s) ORDER BY sku FOR UPDATE"
TAKE_LOCKED: Final = (
    "UPDATE inventory SET on_hand = on_hand - 1, reserved = reserved + 1 WHERE sku = %s"
)


def failpoints() -> Failpoints:
    return Failpoints(None, "benchmark", uuid4(), None)


# --- one order ------------------------------------------------------------------------------


def place_today(conn: psycopg.Connection) -> OrderId:
    wanted, key = (
        PlaceOrder((Item(BOOK, 1),), "usd", "customer-17", None, None, b"\0" * 32),
        uuid4(),
    )
    with conn.transaction():
        times = orders.try_hold_client_key(conn, TENANT, key.hex)
        entered = orders.Entered(TENANT, times)
        return place_order(conn, entered, key.hex, wanted, failpoints()).order.order_id


def place_before(conn: psycopg.Connection) -> OrderId:
    """The shelf is held over the pricing, the writing and the commit."""
    key = uuid4().hex
    with conn.transaction():
        times = orders.try_hold_client_key(conn, TENANT, key)
        if times is None:
            raise SystemExit("two clients have one key")
        orders.find_by_client_key(conn, TENANT, key)
        conn.execute(LOCK_SHELVES, ([BOOK],))
        order = NewOrder(
            OrderId(f"ord_{uuid4().hex}"),
            TENANT,
            "customer-17",
            Money(CENTS, "usd"),
            EventId(uuid4()),
            None,
            key,
            b"\0" * 32,
            (Item(BOOK, 1),),
            *times,
        )
        with conn.pipeline():
            orders.insert_order(conn, order)
            conn.execute(TAKE_LOCKED, (BOOK,))
            outbox.insert_events(conn, [announced(EventType.ORDER_PLACED, order.event_id, order)])
    return order.order_id


def announced(event_type: EventType, root: EventId, order: Any) -> Any:
    return order_event(
        event_type,
        root=root,
        order_id=order.order_id,
        tenant_id=TENANT,
        money=Money(CENTS, "usd"),
        at=datetime.now(UTC),
        extra={},
    )


# --- a poll's events ------------------------------------------------------------------------


def follow_today(session: database.Session, records: Sequence[Record]) -> None:
    follower = PaymentFollower(session, failpoints())
    for start in range(0, len(records), EVENTS_AT_ONCE):
        follower.handle(records[start : start + EVENTS_AT_ONCE])


def follow_before(session: database.Session, records: Sequence[Record]) -> None:
    """A transaction an event; the shelf is held over the rest of it and its commit."""
    conn = session.connection()
    for record in records:
        payload = json.loads(record.value or b"")
        with conn.transaction():
            order = orders.lock_order(conn, payload["order_id"])
            if order is None:
                raise SystemExit("an order is not there")
            step = next_order_step(order.status, OrderEvent.PAYMENT_COMPLETED)
            if step is None:
                raise SystemExit("an order is not pending")
            root = EventId(UUID(payload["root_event_id"]))
            with conn.pipeline():
                conn.execute(SELL_IN_THE_MIDST, {"order_id": order.order_id})
                orders.write_step(
                    conn,
                    order,
                    step,
                    cause="payment_completed",
                    cause_id=payload["event_id"],
                    cancel_reason=None,
                )
                outbox.insert_events(conn, [announced(EventType.ORDER_PAID, root, order)])


WAYS: Final = {"before": (follow_before, place_before), "today": (follow_today, place_today)}


# --- the measurement ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one way."""

    events_per_second: float
    orders_per_second: float


def prepare(dsn: str, count: int) -> list[Record]:
    """Pending orders and the records of their payments' ends."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SET search_path = bookstore_platform")
        conn.execute("TRUNCATE orders, reservations, order_events, outbox, inventory CASCADE")
        conn.execute(
            "INSERT INTO inventory (sku, title, unit_price_cents, currency, initial, on_hand)"
            " VALUES (%s, 'A Book', %s, 'usd', %s, %s)",
            (BOOK, CENTS, COPIES, COPIES),
        )
        with conn.transaction():
            placed = [place_today(conn) for _ in range(count)]
        found = conn.execute("SELECT id, event_id FROM orders").fetchall()
        roots = {row[0]: row[1] for row in found}
        conn.execute("ANALYZE")
    return [completed(n, order_id, roots[order_id]) for n, order_id in enumerate(placed)]


def completed(offset: int, order_id: OrderId, root: UUID) -> Record:
    event_id = str(uuid4())
    payload = {
        "event_id": event_id,
        "root_event_id": str(root),
        "order_id": order_id,
        "occurred_at": datetime.now(UTC).isoformat(),
        "amount_cents": CENTS,
        "currency": "usd",
        "payment_intent_id": f"pi_{offset}",
    }
    headers: dict[str, str] = {
        "event_id": event_id,
        "event_type": EventType.PAYMENT_COMPLETED,
        "tenant_id": TENANT,
    }
    key, value = str(root).encode(), json.dumps(payload).encode()
    return Record(Topic.PAYMENTS_COMPLETED, 0, offset, key, value, headers)


def keep_placing(dsn: str, way: str, begin: Any, stop: Any, count: Any) -> None:
    """One client that places an order as soon as its last one is placed."""
    conn = database.connect(dsn, "benchmark-client")
    _, place = WAYS[way]
    place(conn)
    begin.wait(60)
    while not stop.is_set():
        place(conn)
        with count.get_lock():
            count.value += 1


@contextmanager
def placing(dsn: str, way: str, clients: int) -> Iterator[Any]:
    """Clients in processes of their own, all of them at work; yields how many orders so far."""
    spawn = multiprocessing.get_context("spawn")
    begin, stop, count = spawn.Barrier(clients + 1), spawn.Event(), spawn.Value("q", 0)
    children = [
        spawn.Process(target=keep_placing, args=(dsn, way, begin, stop, count))
        for _ in range(clients)
    ]
    for child in children:
        child.start()
    begin.wait(60)
    try:
        yield count
    finally:
        stop.set()
        for child in children:
            child.join()


def measure(dsn: str, way: str, events: int, clients: int) -> Sample:
    records = prepare(dsn, events)
    session = database.Session(dsn, "benchmark")
    session.connection()
    follow, _ = WAYS[way]
    with placing(dsn, way, clients) as count:
        began, placed = time.perf_counter(), count.value
        follow(session, records)
        seconds = time.perf_counter() - began
        placed = count.value - placed
    check(session, events)
    session.drop()
    return Sample(events / seconds, placed / seconds)


def check(session: database.Session, events: int) -> None:
    """What was followed is paid and sold: a fast way that does something else is no way."""
    found = session.connection().execute(
        "SELECT (SELECT count(*) FROM orders WHERE status = %s),"
        " (SELECT sold FROM inventory), (SELECT count(*) FROM outbox WHERE event_type = %s)",
        (OrderStatus.PAID, EventType.ORDER_PAID),
    )
    if found.fetchone() != (events, events, events):
        raise SystemExit("the orders are not all paid and sold")


def show(samples: Mapping[str, list[Sample]]) -> list[float]:
    """Medians, and the ratios within each round."""
    print(f"{'':8}{'events/s':>10}{'orders/s':>10}")
    for name, rounds in samples.items():
        columns = (
            statistics.median(getattr(sample, field) for sample in rounds)
            for field in ("events_per_second", "orders_per_second")
        )
        print("{:8}{:10.0f}{:10.0f}".format(name, *columns))
    pairs = list(zip(samples["today"], samples["before"], strict=True))
    ratios = [today.events_per_second / before.events_per_second for today, before in pairs]
    print(f"followed faster: {statistics.median(ratios):.1f} times ({spread(ratios)})")
    if all(before.orders_per_second for _, before in pairs):
        placed = [today.orders_per_second / before.orders_per_second for today, before in pairs]
        print(f"placed meanwhile: {statistics.median(placed):.1f} times ({spread(placed)})")
    return ratios


def spread(values: Sequence[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"


def main() -> int:
    """Print the tables; exit 1 when today's way is not the faster one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    ratios: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="bookpay-bench-") as folder,
        running_servers(Path(folder), with_kafka=False) as servers,
    ):
        migrate(servers.dsn)
        for clients in (0, given.clients):
            samples: dict[str, list[Sample]] = {way: [] for way in WAYS}
            for _ in range(given.rounds):
                for way in WAYS:
                    samples[way].append(measure(servers.dsn, way, given.events, clients))
            print(f"beside {clients} clients:" if clients else "alone:")
            ratios += show(samples)
    return 0 if min(ratios) > 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
