"""Shops of three sizes in one PostgreSQL: one shop with once, ten and a hundred times its past.

A shop's past is what its services leave behind: orders with their history, payments that are over,
webhooks, calls, e-mails, and an outbox whose rows are all published, ten for each order. Everything
lies within the last six days, so that whatever looks a week back sees all of it. Made by SQL, each
table in one statement; ids are as scattered as real ones, for an index over scattered keys is what
grows worst.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from benchmarks.growth_cost import with_children
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.servers.contents import create_topics
from runtime.domain.names import SCHEMA
from runtime.sql import migrate
from tests.support.processes import ServiceProcess
from tests.support.servers import Servers, running_servers

TIMES: Final = (1, 10, 100)
"""The sizes, as multiples of the smallest."""

OUTBOX_ROWS_OF_AN_ORDER: Final = 10

TENANT: Final = "acme"
TOKEN: Final = "token-of-acme"  # noqa: S105 - of servers that live for a benchmark
SKU: Final = "best-seller"
PRICE_CENTS: Final = 4_200
COPIES: Final = 1_000_000_000

# One in twenty is declined and cancelled, one in fifty was paid and given back.
_SHOP: Final = """
    CREATE TEMP TABLE shop AS
    SELECT n, gen_random_uuid() AS root, 'ord_' || md5('o' || n) AS order_id,
           'pi_' || md5('p' || n) AS intent,
           clock_timestamp() - interval '6 days' * (1 - n / {orders}::float8)
               - interval '1 hour' AS at,
           CASE WHEN n % 20 = 0 THEN 'declined' WHEN n % 50 = 1 THEN 'refunded' ELSE 'paid' END
               AS went
    FROM generate_series(1, {orders}) AS n
"""
_PAST: Final = (
    """
    INSERT INTO orders (id, tenant_id, customer_id, total_cents, currency, status, cancel_reason,
                        event_id, client_key, client_request_sha256, created_at, updated_at)
    SELECT order_id, 'acme', 'customer-' || n % 5000, 4200, 'usd',
           CASE went WHEN 'paid' THEN 'paid' WHEN 'declined' THEN 'cancelled' ELSE 'refunded' END,
           CASE went WHEN 'paid' THEN NULL ELSE 'card_declined' END,
           root, md5('k' || n), sha256(root::text::bytea), at, at
    FROM shop
    """,
    """
    INSERT INTO reservations (order_id, sku, quantity, state)
    SELECT order_id, 'best-seller', 1, CASE went WHEN 'paid' THEN 'sold' ELSE 'released' END
    FROM shop
    """,
    """
    INSERT INTO order_events (order_id, from_state, to_state, cause, at)
    SELECT order_id, before, after, 'payment', at
    FROM shop, (VALUES (NULL, 'pending'), ('pending', 'paid')) AS steps (before, after)
    """,
    """
    INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state,
                          payment_intent_id, failure_code, started_attempts, finished_attempts,
                          first_attempted_at, last_attempted_at, next_attempt_at, created_at,
                          updated_at)
    SELECT root, order_id, 'acme', 4200, 'usd',
           CASE went WHEN 'paid' THEN 'succeeded' WHEN 'declined' THEN 'failed' ELSE 'refunded' END,
           intent, CASE went WHEN 'declined' THEN 'card_declined' END, 1, 1, at, at, at, at, at
    FROM shop
    """,
    """
    INSERT INTO payment_events (event_id, kind, from_state, to_state, cause, cause_id, at)
    SELECT root, kind, before, after, 'worker-0', 'req_' || n, at
    FROM shop, (VALUES ('transition', NULL, 'pending'), ('transition', 'pending', 'charging'),
                       ('transition', 'charging', 'succeeded'), ('outcome', 'charging',
                        'succeeded')) AS steps (kind, before, after)
    """,
    """
    INSERT INTO refunds (refund_id, event_id, n, idempotency_key, payment_intent_id, amount_cents,
                         currency, state, stripe_refund_id)
    SELECT gen_random_uuid(), root, 1, md5('r' || n), intent, 4200, 'usd', 'succeeded', 're_' || n
    FROM shop WHERE went = 'refunded'
    """,
    """
    INSERT INTO stripe_events (event_id, type, object_id, body, received_at, processed_at)
    SELECT 'evt_' || md5('e' || n), 'payment_intent.succeeded', intent,
           convert_to(repeat('{"id":"a webhook of some size"}', 30), 'UTF8'), at, at
    FROM shop
    """,
    """
    INSERT INTO stripe_calls (idempotency_key, operation, event_id, payment_intent_id, status,
                              outcome, request_id, replayed, started_at, answered_at)
    SELECT root::text, 'charge', root, intent, 200, 'settled', 'req_' || n, false, at, at FROM shop
    """,
    """
    INSERT INTO notifications (event_id, event_type, order_id, recipient, message_id, created_at,
                               sent_at)
    SELECT gen_random_uuid(), 'OrderPaid', order_id, 'customer@example.com',
           '<' || md5('m' || n) || '@example.com>', at, at
    FROM shop
    """,
    # What people have dealt with stays as a record, and must not be read again for ever.
    """
    INSERT INTO dead_letters (source, reason, event_id, created_at, resolved_at)
    SELECT 'outbox', 'unknown_type', gen_random_uuid(), at, at FROM shop WHERE n % 50 = 3
    """,
    """
    INSERT INTO webhook_quarantine (received_at, reason, body, released_at)
    SELECT at, 'amount_mismatch', convert_to(repeat('x', 500), 'UTF8'), at FROM shop
    WHERE n % 50 = 4
    """,
)
# Without its key, which is built at once behind it: row by row the largest takes half an hour.
_OUTBOX: Final = """
    INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,
                        created_at, published_at)
    SELECT CASE part WHEN 1 THEN root ELSE gen_random_uuid() END,
           CASE part WHEN 2 THEN 'payments' ELSE 'orders' END,
           CASE part WHEN 2 THEN root::text ELSE order_id END,
           CASE part WHEN 1 THEN 'OrderPlaced' WHEN 2 THEN 'PaymentCompleted' ELSE 'OrderPaid' END,
           jsonb_build_object('event_id', root, 'root_event_id', root, 'order_id', order_id,
               'occurred_at', at, 'amount_cents', 4200, 'currency', 'usd',
               'customer_id', 'customer-17'),
           'acme', at, at + interval '5 milliseconds'
    FROM shop, generate_series(1, {each}) AS part
"""


@dataclass(frozen=True, slots=True)
class SizedShop:
    """A shop with a past.

    Attributes:
        times: its size, a multiple of the smallest.
        orders: how many it has had.
        folder: for logs of the services that are started on it.
    """

    times: int
    orders: int
    dsn: str
    servers: Servers
    folder: Path

    def processes(self, *services: ServiceProcess) -> list[int]:
        """Who works when something is asked of it: PostgreSQL, this process, and the services."""
        return [*with_children(self.servers.pids["postgres"]), *(one.pid for one in services)]

    def session(self, **settings: str) -> psycopg.Connection:
        """A session of the benchmark's own, which commits each statement."""
        own = "".join(f" -c {name}={value}" for name, value in settings.items())
        return psycopg.connect(
            self.dsn, autocommit=True, options=f"-c search_path={SCHEMA},public{own}"
        )


@contextmanager
def open_shops(
    outbox_rows: int, folder: Path, tell: Callable[[str], None]
) -> Iterator[tuple[SizedShop, ...]]:
    """The three of them on one PostgreSQL and one Kafka, which go away with the block."""
    with running_servers(folder) as servers:
        create_topics(KafkaServers(servers.kafka_bootstrap_servers))
        shops = []
        for times in TIMES:
            orders = outbox_rows * times // OUTBOX_ROWS_OF_AN_ORDER
            home = folder / f"shop-{times}"
            home.mkdir()
            shop = SizedShop(times, orders, database_beside(servers, times), servers, home)
            fill(shop)
            shops.append(shop)
            tell(f"{times} x: {orders:,} orders, {size_gb(shop):.2f} GB")
        yield tuple(shops)


def database_beside(servers: Servers, times: int) -> str:
    """A new, migrated database on the server; its DSN."""
    name = f"shop_{times}"
    with psycopg.connect(servers.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = urlunsplit(urlsplit(servers.dsn)._replace(path=f"/{name}"))
    migrate(dsn)
    return dsn


def fill(shop: SizedShop) -> None:
    """Its past, as autovacuum would have left it."""
    with shop.session(synchronous_commit="off", maintenance_work_mem="512MB") as conn:
        conn.execute(
            "INSERT INTO inventory (sku, title, unit_price_cents, currency, initial, on_hand)"
            " VALUES (%s, 'A Book', %s, 'usd', %s, %s)",
            (SKU, PRICE_CENTS, COPIES, COPIES),
        )
        conn.execute(
            "INSERT INTO api_tokens (token_sha256, tenant_id) VALUES (%s, %s)",
            (hashlib.sha256(TOKEN.encode()).digest(), TENANT),
        )
        run_all(conn, [_SHOP.format(orders=shop.orders), *_PAST])
        conn.execute("ALTER TABLE outbox DROP CONSTRAINT outbox_pkey")
        run_all(conn, [_OUTBOX.format(each=OUTBOX_ROWS_OF_AN_ORDER)])
        conn.execute("ALTER TABLE outbox ADD PRIMARY KEY (event_id)")
        conn.execute("DROP TABLE shop")
        conn.execute("VACUUM (ANALYZE)")
        conn.execute("CHECKPOINT")


def run_all(conn: psycopg.Connection, statements: Sequence[str]) -> None:
    """Statements of this file, which hold no input."""
    for statement in statements:
        conn.execute(sql.SQL(statement))


def size_gb(shop: SizedShop) -> float:
    """What its database takes up."""
    with shop.session() as conn:
        row = conn.execute("SELECT pg_database_size(current_database())").fetchone()
    return row[0] / 1e9 if row else -1.0
