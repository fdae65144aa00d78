"""Hot paths of services that run as processes: orders, webhooks, and the publisher in both modes.

One client, one request after another: what a request costs, and not how many fit in a second.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final
from uuid import uuid4

import psycopg
import urllib3

from benchmarks.growth_cost import Cost, Repetition, processor_seconds, timed
from benchmarks.growth_stage import SKU, TOKEN, SizedShop
from bookpayctl.clients.publisher_lock import log_slot
from runtime.domain.names import SLOT_PREFIX, PublisherMode
from tests.support.processes import ServiceProcess, running
from tests.support.services_alone import orders_alone, receiver_alone
from tests.support.signing import signature
from tests.support.stack import WEBHOOK_SECRET
from tests.support.waiting import eventually
from tests.support.webhooks import PATH, encoded

REQUESTS: Final = 100
BACKLOG_ROWS: Final = 10_000

# What a service has done before it is measured.
WARM_REQUESTS: Final = 50

Request = tuple[bytes, dict[str, str]]
"""Its body and its headers."""

# A backlog, and which rows are its own, so that they can be taken away behind it.
_BACKLOG: Final = """
    WITH fresh AS (INSERT INTO growth_backlog SELECT gen_random_uuid()
                   FROM generate_series(1, %s) RETURNING event_id)
    INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,
                        created_at)
    SELECT event_id, 'orders', 'ord_' || event_id, 'OrderPlaced',
           jsonb_build_object('event_id', event_id, 'root_event_id', event_id,
               'order_id', 'ord_' || event_id, 'occurred_at', now(), 'amount_cents', 4200,
               'currency', 'usd', 'customer_id', 'customer-17'),
           'acme', clock_timestamp()
    FROM fresh
"""


def order() -> Request:
    """A new order with a key of its own."""
    body = {
        "items": [{"sku": SKU, "quantity": 1}],
        "currency": "usd",
        "customer_id": "customer-17",
    }
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": uuid4().hex}
    return json.dumps(body).encode(), headers


def webhook() -> Request:
    """A signed event that nobody has seen."""
    body = encoded()
    return body, {"Stripe-Signature": signature(body, secret=WEBHOOK_SECRET)}


def orders_post(shop: SizedShop) -> AbstractContextManager[Repetition]:
    """POST /orders with a new key."""
    return posting(shop, orders_alone(shop.dsn, shop.folder), "/orders", 201, order)


def orders_repeated(shop: SizedShop) -> AbstractContextManager[Repetition]:
    """POST /orders with a key that has an order."""
    known = order()
    return posting(shop, orders_alone(shop.dsn, shop.folder), "/orders", 201, lambda: known)


def webhook_new(shop: SizedShop) -> AbstractContextManager[Repetition]:
    """A webhook that is stored."""
    return posting(shop, receiver_alone(shop.dsn, shop.folder), PATH, 200, webhook)


def webhook_again(shop: SizedShop) -> AbstractContextManager[Repetition]:
    """A webhook that was stored before."""
    known = webhook()
    return posting(shop, receiver_alone(shop.dsn, shop.folder), PATH, 200, lambda: known)


@contextmanager
def posting(
    shop: SizedShop,
    service: ServiceProcess,
    path: str,
    expected: int,
    request: Callable[[], Request],
) -> Iterator[Repetition]:
    """Requests to a service of its own over one connection, each answered as expected."""
    with running(service):
        pool = urllib3.PoolManager(maxsize=1, retries=False, timeout=30.0)

        def send() -> None:
            body, headers = request()
            headers = {"Content-Type": "application/json", **headers}
            answer = pool.request("POST", service.url + path, body=body, headers=headers)
            if answer.status != expected:
                raise SystemExit(f"{path}: answered {answer.status}: {answer.data[:200]!r}")

        for _ in range(WARM_REQUESTS):
            send()
        yield timed(send, REQUESTS, REQUESTS, lambda: shop.processes(service))


# --- the publisher --------------------------------------------------------------------------


@contextmanager
def publisher(mode: PublisherMode, shop: SizedShop) -> Iterator[Repetition]:
    """A backlog read, sent and marked by a publisher of its own process."""
    with shop.session(synchronous_commit="off") as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS growth_backlog (event_id uuid)")
        yield partial(drained, conn, mode, shop)


def drained(conn: psycopg.Connection, mode: PublisherMode, shop: SizedShop) -> Cost:
    """Microseconds of a row; the backlog's rows are gone afterwards.

    The publisher is started for it and frozen while the backlog grows. There is one at a time:
    a slot of another database would hold back the log of this one.
    """
    variables = {
        "DB_DSN": shop.dsn,
        "KAFKA_BOOTSTRAP_SERVERS": shop.servers.kafka_bootstrap_servers,
        "BOOKPAY_PUBLISHER_MODE": mode.value,
    }
    name = f"publisher-{mode.value}"
    service = ServiceProcess(name, ("outbox-publisher",), variables, shop.folder)
    try:
        with running(service):
            if mode is PublisherMode.WAL:
                eventually(lambda: is_streamed(conn), "the publisher streams the log")
            # Once unmeasured: from then on its topics, plans and code paths are known.
            backlog(conn, service, shop, BACKLOG_ROWS // 10)
            return backlog(conn, service, shop, BACKLOG_ROWS)
    finally:
        drop_slot(conn)
        conn.execute(
            "DELETE FROM outbox USING growth_backlog AS own WHERE outbox.event_id = own.event_id"
        )
        conn.execute("TRUNCATE growth_backlog")
        conn.execute("VACUUM outbox")


def backlog(conn: psycopg.Connection, service: ServiceProcess, shop: SizedShop, rows: int) -> Cost:
    """Let one grow while the publisher is frozen, and wait until it is marked."""
    service.signal(signal.SIGSTOP)
    try:
        conn.execute(_BACKLOG, (rows,))
        conn.execute("CHECKPOINT")
        pids = shop.processes(service)
        spent = processor_seconds(pids)
    finally:
        service.signal(signal.SIGCONT)
    began = time.perf_counter()
    eventually(lambda: unpublished(conn) == 0, "the backlog is published")
    seconds = time.perf_counter() - began
    return Cost(seconds / rows * 1e6, (processor_seconds(pids) - spent) / rows * 1e6)


def unpublished(conn: psycopg.Connection) -> int:
    """Counted by the partial index, which holds nothing else."""
    row = conn.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL").fetchone()
    return int(row[0]) if row else -1


def is_streamed(conn: psycopg.Connection) -> bool:
    slot = log_slot(conn)
    return slot is not None and slot.sender_pid is not None


def drop_slot(conn: psycopg.Connection) -> None:
    """The publisher that is gone leaves its slot, which the next one in its place would take."""
    mine = "slot_name = %s || (SELECT oid FROM pg_database WHERE datname = current_database())"
    eventually(
        lambda: (
            not conn.execute(
                f"SELECT FROM pg_replication_slots WHERE {mine} AND active",
                (SLOT_PREFIX,),
            ).fetchone()
        ),
        "nobody reads the slot",
    )
    conn.execute(
        f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE {mine}",
        (SLOT_PREFIX,),
    )
