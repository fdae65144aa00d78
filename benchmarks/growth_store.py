"""Hot paths of services that are driven by records, by their own code on a shop with a past.

What a service does with a record is called as its loop calls it, on a connection of the service's
own kind; the loop around it, Kafka and Stripe do not know how old a shop is.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import psycopg

from benchmarks.growth_cost import Cost, Repetition, timed
from benchmarks.growth_dead_rows import leave_dead_rows
from benchmarks.growth_stage import PRICE_CENTS, SKU, TENANT, SizedShop
from bookpayctl.targets.backlog import read_ledger
from bookpayctl.watch.pace import read_pace
from runtime.adapters.store import (
    database,
    far_times,
    notifications,
    orders,
    outbox,
    reconcile,
)
from runtime.adapters.store.orders import Item
from runtime.adapters.store.payments import Cause
from runtime.domain.event import Record
from runtime.domain.lease import Lease
from runtime.domain.names import PaymentIntentId, TenantId, Topic
from runtime.domain.outcome import Settled
from runtime.domain.payment_events import Answered
from runtime.faults.points import Failpoints
from runtime.services.orders.consumer import PaymentFollower
from runtime.services.orders.place import place_order
from runtime.services.orders.request import PlaceOrder
from runtime.services.payments_reconciler.missed_events import WaitingOrders
from runtime.services.payments_worker import inbox
from runtime.steps import payment, queue

BATCH: Final = 100
LOOKS: Final = 100
TOOL_LOOKS: Final = 10
WINDOW_SECONDS: Final = 60.0


@contextmanager
def publishers_look(shop: SizedShop) -> Iterator[Repetition]:
    """A look of an idle publisher from the outbox's start, which finds nothing."""
    settings = outbox.PLANNER_SETTINGS
    leave_dead_rows(shop, "outbox")
    with database.connect(shop.dsn, "growth", settings=settings) as conn:

        def look() -> None:
            rows = outbox.select_unpublished(conn, limit=1_000, in_flight=(), since=None)
            if rows:
                raise SystemExit("the outbox is not as it was made")

        yield timed(look, LOOKS, LOOKS, shop.processes)


@contextmanager
def workers_payment(shop: SizedShop) -> Iterator[Repetition]:
    """Payments taken in, looked for, leased and settled, in the worker's transactions."""
    lease, rng = Lease("growth", uuid4(), 60.0), random.Random(1)
    with database.connect(shop.dsn, "growth") as conn:

        def pay() -> None:
            with conn.transaction():
                counts = inbox.store_batch(conn, placed_records(BATCH), source="growth", rng=rng)
            with conn.transaction():
                queue.give_up_leases(conn, lease, rng, limit=BATCH)
                claims = queue.claim_due(conn, lease, rng, limit=BATCH)
            if counts.inserted != BATCH or len(claims) != BATCH:
                raise SystemExit(f"{counts.inserted} taken in and {len(claims)} claimed")
            for claim in claims:
                answer = Answered(Settled(PaymentIntentId(f"pi_{uuid4().hex}")))
                with conn.transaction():
                    payment.apply(
                        *(conn, claim.row.event_id, answer, Cause("growth")),
                        rng=rng,
                        lease_token=claim.token,
                    )

        yield timed(pay, 1, BATCH, shop.processes)


@contextmanager
def outboxs_vacuum(shop: SizedShop) -> Iterator[Repetition]:
    """What autovacuum does when it comes, for each event that was marked since it came last."""
    with shop.session() as conn:

        def vacuum() -> Cost:
            dead = leave_dead_rows(shop, "outbox")
            work = timed(lambda: conn.execute("VACUUM outbox"), 1, dead, shop.processes)
            return work()

        yield vacuum


@contextmanager
def workers_look(shop: SizedShop) -> Iterator[Repetition]:
    """An idle worker's round: lost leases, and what is due; there is nothing."""
    lease, rng = Lease("growth", uuid4(), 60.0), random.Random(1)
    leave_dead_rows(shop, "payments")
    with database.connect(shop.dsn, "growth") as conn:

        def look() -> None:
            with conn.transaction():
                queue.give_up_leases(conn, lease, rng, limit=BATCH)
                if queue.claim_due(conn, lease, rng, limit=BATCH):
                    raise SystemExit("the payments are not as they were made")

        yield timed(look, LOOKS, LOOKS, shop.processes)


@contextmanager
def orders_events(shop: SizedShop) -> Iterator[Repetition]:
    """Events of payments that are over, followed by orders in transactions of a poll's size."""
    session = database.Session(shop.dsn, "growth")
    conn = session.connection()
    follower = PaymentFollower(session, failpoints())

    def follow() -> Cost:
        placed = [place(conn) for _ in range(BATCH)]
        records = [completed_record(n, *one) for n, one in enumerate(placed)]
        return timed(lambda: follower.handle(records), 1, BATCH, shop.processes)()

    yield follow
    session.drop()


@contextmanager
def notifiers_event(shop: SizedShop) -> Iterator[Repetition]:
    """What surrounds an e-mail: whose it is, whether it was sent, that it was."""
    with database.connect(shop.dsn, "growth") as conn, shop.session() as other:
        rows = other.execute(
            "SELECT id FROM orders ORDER BY created_at DESC LIMIT %s", (BATCH,)
        ).fetchall()

        def tell() -> None:
            for (order_id,) in rows:
                event_id = uuid4()
                notifications.customer_of(conn, order_id)
                notifications.begin(
                    conn,
                    event_id=event_id,
                    event_type="OrderPaid",
                    order_id=order_id,
                    recipient="customer@example.com",
                    message_id=f"<{event_id}@example.com>",
                )
                notifications.mark_sent(conn, event_id)

        yield timed(tell, 1, BATCH, shop.processes)


@contextmanager
def reconcilers_claims(shop: SizedShop) -> Iterator[Repetition]:
    """A round's looks for payments that are open for too long; there is none."""
    leave_dead_rows(shop, "payments")
    with database.connect(shop.dsn, "growth") as conn:

        def look() -> None:
            with conn.transaction():
                found = reconcile.claim_unanswered(conn, hold_seconds=60, limit=50)
                found += reconcile.claim_processing(
                    conn, window_seconds=WINDOW_SECONDS, hold_seconds=60, limit=50
                )
            if found:
                raise SystemExit("the payments are not as they were made")

        yield timed(look, LOOKS, LOOKS, shop.processes)


@contextmanager
def reconcilers_backlog(shop: SizedShop) -> Iterator[Repetition]:
    """The counts behind the metrics, once a second."""
    leave_dead_rows(shop, "outbox", "payments", "orders")
    with database.connect(shop.dsn, "growth") as conn:

        def look() -> None:
            reconcile.open_payments(conn)
            reconcile.waiting(conn)

        yield timed(look, LOOKS, LOOKS, shop.processes)


@contextmanager
def reconcilers_far_times(shop: SizedShop) -> Iterator[Repetition]:
    """The look for rows that would wait for ever, each five seconds."""
    leave_dead_rows(shop, "payments")
    with database.connect(shop.dsn, "growth") as conn:
        yield timed(lambda: far_times.bring_near(conn), LOOKS, LOOKS, shop.processes)


@contextmanager
def reconcilers_missed_events(shop: SizedShop) -> Iterator[Repetition]:
    """The look for orders that have not heard of their payment's end, or payments of theirs."""
    waiting = WaitingOrders()
    leave_dead_rows(shop, "orders")
    with database.connect(shop.dsn, "growth") as conn:
        yield timed(lambda: waiting.read(conn, WINDOW_SECONDS), LOOKS, LOOKS, shop.processes)


# --- the tool -------------------------------------------------------------------------------


@contextmanager
def tools_status(shop: SizedShop) -> Iterator[Repetition]:
    """What `status` asks the database, its session included."""
    leave_dead_rows(shop, "payments", "orders")
    yield timed(lambda: read_ledger(shop.dsn), TOOL_LOOKS, TOOL_LOOKS)


@contextmanager
def tools_watch(shop: SizedShop) -> Iterator[Repetition]:
    """What `watch` asks beside it."""
    yield timed(lambda: read_pace(shop.dsn), TOOL_LOOKS, TOOL_LOOKS)


# --- how ------------------------------------------------------------------------------------


def failpoints() -> Failpoints:
    return Failpoints(None, "growth", uuid4(), None)


def place(conn: psycopg.Connection) -> tuple[str, UUID]:
    """A new order of one book; its id and its event's."""
    wanted = PlaceOrder((Item(SKU, 1),), "usd", "customer-17", None, None, b"\0" * 32)
    tenant_id, key = TenantId(TENANT), uuid4().hex
    with conn.transaction():
        entered = orders.Entered(tenant_id, orders.try_hold_client_key(conn, tenant_id, key))
        placed = place_order(conn, entered, key, wanted, failpoints()).order
    if placed.event_id is None:
        raise SystemExit("an order was placed without an event")
    return placed.order_id, placed.event_id


def placed_records(count: int) -> Sequence[Record]:
    """OrderPlaced of orders that no payment knows."""
    return [record(Topic.ORDERS_PLACED, "OrderPlaced", f"ord_{uuid4().hex}") for _ in range(count)]


def completed_record(offset: int, order_id: str, root: UUID) -> Record:
    return record(Topic.PAYMENTS_COMPLETED, "PaymentCompleted", order_id, root, offset)


def record(
    topic: Topic, event_type: str, order_id: str, root: UUID | None = None, offset: int = 0
) -> Record:
    """A record as the publisher sends it; without a root it is one."""
    event_id = uuid4()
    root = root or event_id
    payload = {
        "event_id": str(event_id),
        "root_event_id": str(root),
        "order_id": order_id,
        "occurred_at": datetime.now(UTC).isoformat(),
        "amount_cents": PRICE_CENTS,
        "currency": "usd",
        "payment_intent_id": f"pi_{uuid4().hex}",
    }
    headers = {"event_id": str(event_id), "event_type": event_type, "tenant_id": TENANT}
    return Record(topic, 0, offset, str(root).encode(), json.dumps(payload).encode(), headers)
