"""A payment on a real database, and what Stripe, a worker and an order tell of its money."""

from __future__ import annotations

import json
import random
from typing import Any
from uuid import UUID, uuid4

from runtime.adapters.store.payments import Cause
from runtime.domain.lease import Lease
from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome import Settled
from runtime.domain.payment_events import OrderCancelled
from runtime.domain.refund import RefundAbsent, RefundAnswered
from runtime.domain.stripe_event import StripeEvent, parse
from runtime.steps import payment, refund, webhook
from tests.support.stack import ENVIRONMENT, Database

RNG = random.Random(1)
PI = "pi_1"
CENTS = 1999
ABSENT = RefundAbsent(deadline_passed=True, key_age_seconds=1.0)


def payment_row(
    database: Database, state: str, *, currency: str = "usd", intent: str | None = PI
) -> UUID:
    """A paid order and its payment in a state; returns the root event id."""
    event_id = uuid4()
    database.run(
        "INSERT INTO inventory (sku, title, unit_price_cents, currency, initial, on_hand, sold)"
        " VALUES ('book', 'A Book', 1999, 'usd', 5, 4, 1) ON CONFLICT DO NOTHING"
    )
    database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, status, event_id)"
        " VALUES ('ord_1', 'acme', %s, %s, 'paid', %s)",
        *(CENTS, currency, event_id),
    )
    database.run("INSERT INTO reservations VALUES ('ord_1', 'book', 1, 'sold')")
    database.run(
        "INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state,"
        " payment_intent_id, maybe_executed, failure_code)"
        " VALUES (%s, 'ord_1', 'acme', %s, %s, %s, %s, %s, 'declined')",
        *(event_id, CENTS, currency, state, intent, state == "unknown"),
    )
    return event_id


def tell(database: Database, kind: str, **thing: Any) -> webhook.WebhookEffect:
    """An event about an object; `at` is when it happened, `key` whose request caused it."""
    at, key = thing.pop("at", 1_760_000_000), thing.pop("key", None)
    object_kind = (
        "dispute" if "dispute" in kind else "charge" if kind == "charge.refunded" else "refund"
    )
    document = {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": kind,
        "created": at,
        "livemode": False,
        "request": {"id": "req_1", "idempotency_key": key},
        "data": {
            "object": {"object": object_kind, "currency": "usd", "payment_intent": PI, **thing}
        },
    }
    event = parse(json.dumps(document).encode())
    assert isinstance(event, StripeEvent)
    with database.conn.transaction():
        return webhook.apply_safely(database.conn, event, environment=ENVIRONMENT, rng=RNG)


def refund_told(database: Database, named: str, amount: int, status: str) -> webhook.WebhookEffect:
    return tell(database, "refund.updated", id=named, amount=amount, status=status)


def dispute_told(
    database: Database, status: str, *, at: int = 1_760_000_000, amount: int = CENTS
) -> webhook.WebhookEffect:
    kind = "charge.dispute.closed" if status in ("won", "lost") else "charge.dispute.created"
    return tell(database, kind, id="du_1", amount=amount, status=status, at=at)


def cancel(database: Database, event_id: UUID) -> None:
    with database.conn.transaction():
        payment.apply(database.conn, event_id, OrderCancelled(), Cause("order"), rng=RNG)


def claim(database: Database) -> list[refund.RefundClaim]:
    with database.conn.transaction():
        lease = Lease("worker-0", uuid4(), 60.0)
        return refund.claim_due(database.conn, lease, RNG, limit=10)


def answered(database: Database, claimed: refund.RefundClaim, event: RefundAnswered) -> None:
    with database.conn.transaction():
        refund.apply(
            database.conn,
            claimed.row.refund_id,
            event,
            "worker-0",
            rng=RNG,
            lease_token=claimed.token,
        )


def succeeds(database: Database, claimed: refund.RefundClaim, stripe_id: str = "re_ours") -> None:
    answered(database, claimed, RefundAnswered(Settled(PaymentIntentId(PI)), stripe_id))


def looked_up(database: Database, claimed: refund.RefundClaim) -> None:
    """Stripe's list holds no refund of ours."""
    with database.conn.transaction():
        refund.apply(database.conn, claimed.row.refund_id, ABSENT, "reconciler", rng=RNG)


def ours(database: Database) -> list[tuple[int, int, str, str | None]]:
    return [
        (row[0], row[1], row[2], row[3])
        for row in database.rows(
            "SELECT n, amount_cents, state, failure_code FROM refunds ORDER BY n"
        )
    ]


def order(database: Database) -> tuple[str, str | None]:
    (row,) = database.rows("SELECT status, cancel_reason FROM orders")
    return row[0], row[1]


def refunded_events(database: Database) -> list[dict[str, Any]]:
    return [
        row[0]
        for row in database.rows("SELECT payload FROM outbox WHERE event_type = 'PaymentRefunded'")
    ]
