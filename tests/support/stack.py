"""The whole stack as processes on one database, one broker and one twin, and a shop that uses it.

Every shop is a tenant of its own with books of its own, so tests share the processes and nothing
else; faults and failpoints are aimed at the tenant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from bookpayctl.faults.failpoint import DEAF_SESSIONS
from runtime.sql import SCHEMA
from tests.support.http_client import Answer, NoAnswer, NotSent, http
from tests.support.processes import ServiceProcess
from tests.support.twin import Twin
from tests.support.waiting import eventually

WEBHOOK_SECRET = "whsec_suite"
GATEWAY_TOKEN = "gateway-token-of-the-suite"
ENVIRONMENT = "suite"
PRICE_CENTS = 1999

DEADLINES = {
    "BOOKPAY_STRIPE_TIMEOUT_SECONDS": "3",
    "BOOKPAY_GATEWAY_TIMEOUT_SECONDS": "4",
    "BOOKPAY_WORKER_HTTP_TIMEOUT_SECONDS": "5",
    "BOOKPAY_LEASE_SECONDS": "6",
}

ARGUMENTS = {
    "orders-http": ("orders-service", "--role", "http"),
    "orders-consumer": ("orders-service", "--role", "consumer"),
    "publisher": ("outbox-publisher",),
    "worker-0": ("payments-worker",),
    "worker-1": ("payments-worker",),
    "gateway": ("payments-gateway",),
    "receiver": ("payments-webhook-receiver",),
    "reconciler": ("payments-reconciler",),
    "notifier": ("notifier",),
}
WORKERS = ("worker-0", "worker-1")


def connect(dsn: str) -> psycopg.Connection:
    """A connection that sees our tables and commits each statement."""
    return psycopg.connect(dsn, autocommit=True, options=f"-c search_path={SCHEMA},public")


def post_charge(gateway: ServiceProcess, event_id: UUID, **headers: str) -> Answer:
    """POST /charge for one order of the suite, as the worker would."""
    body = {
        "event_id": str(event_id),
        "order_id": f"ord_{event_id.hex}",
        "tenant_id": "acme",
        "amount_cents": PRICE_CENTS,
        "currency": "usd",
    }
    return http.request(
        "POST",
        gateway.url + "/charge",
        body=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {GATEWAY_TOKEN}",
            "Content-Type": "application/json",
            **headers,
        },
    )


@dataclass
class Database:
    """SQL of the tests' own, against one database."""

    dsn: str
    conn: psycopg.Connection = field(init=False)

    def __post_init__(self) -> None:
        self.conn = connect(self.dsn)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.conn.execute(query, values).fetchall()

    def value(self, query: str, *values: object) -> Any:
        """The first column of the only row; None without one."""
        found = self.rows(query, *values)
        assert len(found) <= 1, found
        return found[0][0] if found else None

    def run(self, statement: str, *values: object) -> int:
        return self.conn.execute(statement, values).rowcount

    def arm(self, point: str, action: str = "exit", **match: object) -> None:
        """Arm a failpoint once, and wait until every process that listens has heard of it.

        Args:
            match: any of order_id, event_id, tenant_id; and `argument`, the action's.
        """
        self.run(
            "INSERT INTO failpoints (run_id, point, action, argument, match_order_id,"
            " match_event_id, match_tenant_id) VALUES ('suite', %s, %s, %s, %s, %s, %s)",
            *(point, action, match.get("argument")),
            *(match.get("order_id"), match.get("event_id"), match.get("tenant_id")),
        )
        eventually(lambda: not self.rows(DEAF_SESSIONS), "every process has heard of the failpoint")

    def hits(self, point: str, order_id: str) -> int:
        """How often a failpoint acted on this order."""
        return int(
            self.value(
                "SELECT count(*) FROM failpoint_hits WHERE point = %s AND order_id = %s",
                *(point, order_id),
            )
        )

    def add_tenant(self, tenant_id: str, token: str) -> None:
        self.run(
            "INSERT INTO api_tokens (token_sha256, tenant_id) VALUES (%s, %s)",
            *(hashlib.sha256(token.encode()).digest(), tenant_id),
        )

    def add_book(self, sku: str, copies: int) -> None:
        self.run(
            "INSERT INTO inventory (sku, title, unit_price_cents, currency, initial, on_hand)"
            " VALUES (%s, 'A Book', %s, 'usd', %s, %s)",
            *(sku, PRICE_CENTS, copies, copies),
        )

    def stock(self, sku: str) -> tuple[int, int, int]:
        """on_hand, reserved, sold."""
        (row,) = self.rows("SELECT on_hand, reserved, sold FROM inventory WHERE sku = %s", sku)
        return row[0], row[1], row[2]

    def payment(self, event_id: object) -> dict[str, Any]:
        columns = "state, payment_intent_id, failure_code, started_attempts, finished_attempts"
        found = self.rows(f"SELECT {columns} FROM payments WHERE event_id = %s", event_id)
        return dict(zip(columns.split(", "), found[0], strict=True)) if found else {}

    def payment_state(self, event_id: object) -> str | None:
        state: str | None = self.payment(event_id).get("state")
        return state

    def outcomes(self, event_id: object) -> list[str]:
        """Which outcome events this payment has put into the outbox."""
        return [
            row[0]
            for row in self.rows(
                "SELECT event_type FROM outbox WHERE aggregate = 'payments' AND aggregate_id = %s"
                " AND event_type IN ('PaymentCompleted', 'PaymentFailed') ORDER BY created_at",
                str(event_id),
            )
        ]

    def steps(self, event_id: object) -> list[tuple[str | None, str]]:
        """The payment's history, each step from where to where."""
        return [
            (before, after)
            for before, after in self.rows(
                "SELECT from_state, to_state FROM payment_events WHERE event_id = %s ORDER BY id",
                str(event_id),
            )
        ]


@dataclass
class Stack:
    """Everything that runs, by name."""

    database: Database
    bootstrap_servers: str
    twin: Twin
    mail: Any
    services: dict[str, ServiceProcess]

    def __getitem__(self, name: str) -> ServiceProcess:
        return self.services[name]

    def expect_crash(self, names: Sequence[str]) -> str:
        """Wait until one of the processes ends as a killed one does, and start it again."""

        def ended() -> str | None:
            return next((name for name in names if self.services[name].has_ended()), None)

        name = eventually(ended, f"one of {names} ends at its failpoint")
        status = self.services[name].wait_end()
        assert status == 137, (name, status, self.services[name].log[-2000:])
        self.services[name].start()
        return name

    def recover(self) -> None:
        """Whatever a test left broken runs again."""
        self.twin.clear_faults()
        self.database.run("DELETE FROM failpoints")
        for service in self.services.values():
            if service.has_ended():
                service.start()
        for service in self.services.values():
            service.wait_ready()


def service_variables(
    dsn: str, bootstrap_servers: str, *, gateway_url: str, twin_api: str, mail_port: int
) -> dict[str, str]:
    """One environment for all; a service reads its own part of it."""
    return {
        **DEADLINES,
        "DB_DSN": dsn,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "BOOKPAY_ENV": ENVIRONMENT,
        "BOOKPAY_LOG_LEVEL": "INFO",
        "BOOKPAY_FAILPOINTS": "on",
        "GATEWAY_URL": gateway_url,
        "GATEWAY_TOKEN": GATEWAY_TOKEN,
        "STRIPE_API_BASE": twin_api,
        "STRIPE_API_KEY": "sk_test_suite",
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "BOOKPAY_WEBHOOK_WINDOW_SECONDS": "3",
        "BOOKPAY_PARKED_WEBHOOK_WINDOW_SECONDS": "60",
        "BOOKPAY_EVENT_WINDOW_SECONDS": "6",
        "BOOKPAY_WORKER_CONCURRENCY": "16",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail_port),
    }


def build_services(
    names: Sequence[str], variables: Mapping[str, str], directory: Path
) -> dict[str, ServiceProcess]:
    directory.mkdir(parents=True, exist_ok=True)
    return {name: ServiceProcess(name, ARGUMENTS[name], variables, directory) for name in names}


@dataclass
class Shop:
    """A tenant with one book, ordering over HTTP."""

    stack: Stack
    copies: int = 100
    tenant_id: str = field(default_factory=lambda: f"tenant-{uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.token = f"token-of-{self.tenant_id}"
        self.sku = f"book-{self.tenant_id}"
        self.stack.database.add_tenant(self.tenant_id, self.token)
        self.stack.database.add_book(self.sku, self.copies)

    @property
    def database(self) -> Database:
        return self.stack.database

    @property
    def aim(self) -> dict[str, object]:
        """What a twin's fault matches to hit this shop only."""
        return {"metadata": {"tenant_id": self.tenant_id}}

    def attempt(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Answer | NotSent | NoAnswer:
        """Ask the orders API, which may die of it."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return http.attempt(
            method,
            self.stack["orders-http"].url + path,
            body=body,
            headers={"Authorization": f"Bearer {self.token}", **given},
        )

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Ask the orders API; the test fails when there is no answer."""
        answer = self.attempt(method, path, body, **headers)
        assert isinstance(answer, Answer), answer
        return answer

    def body(self, **changes: object) -> bytes:
        document = {
            "items": [{"sku": self.sku, "quantity": 1}],
            "currency": "usd",
            "customer_id": "cust_1",
            **changes,
        }
        return json.dumps(document).encode()

    def attempt_post(self, body: bytes, key: str) -> Answer | NotSent | NoAnswer:
        """Place an order at an API that may die of it."""
        kind = "application/json"
        return self.attempt("POST", "/orders", body, Content_Type=kind, Idempotency_Key=key)

    def post(self, body: bytes, key: str | None = None) -> Answer:
        answer = self.attempt_post(body, key or uuid4().hex)
        assert isinstance(answer, Answer), answer
        return answer

    def place(self, payment_method: str | None = None) -> tuple[str, UUID]:
        """Order one copy; returns order_id and root event id."""
        method = {"payment_method": payment_method} if payment_method else {}
        answer = self.post(self.body(**method))
        assert answer.status == 201, answer.body
        return answer.json["id"], UUID(answer.json["event_id"])

    def cancel(self, order_id: str, reason: str = "changed my mind") -> Answer:
        body = json.dumps({"reason": reason}).encode()
        path = f"/orders/{order_id}/cancel"
        return self.request("POST", path, body, Content_Type="application/json")

    def status(self, order_id: str) -> str:
        status: str = self.database.value("SELECT status FROM orders WHERE id = %s", order_id)
        return status

    def wait_status(self, order_id: str, status: str) -> None:
        eventually(
            lambda: self.status(order_id) == status,
            lambda: f"order {order_id} is {status}; it is {self.status(order_id)}",
        )

    def wait_payment(self, event_id: UUID, state: str) -> None:
        eventually(
            lambda: self.database.payment_state(event_id) == state,
            lambda: f"payment {event_id} is {state}; it is {self.database.payment(event_id)}",
        )
