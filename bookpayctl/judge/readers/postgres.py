"""PostgreSQL as evidence: every row the judge needs, in one repeatable-read transaction.

Reads the primary only: a replica's lag looks exactly like a lost write. Nothing is written, and
the session says so to the server.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, LiteralString

from bookpayctl.clients.database import Connection, DatabaseError, reading
from bookpayctl.judge.ledgers import (
    Database,
    DeadLetterRow,
    OrderRow,
    OutboxRow,
    PaymentRow,
    RefundRow,
    ReservationRow,
    StockRow,
    Transition,
    WebhookRow,
)

_ORDERS: Final[LiteralString] = (
    "SELECT id, tenant_id, total_cents, currency, status, client_key, created_at FROM orders"
    " ORDER BY created_at, id"
)
# Events of a payment name the order in their payload; an event written by hand may only have it
# as its aggregate.
_OUTBOX: Final[LiteralString] = (
    "SELECT event_id::text, event_type, coalesce(payload->>'order_id', aggregate_id),"
    " coalesce(payload->>'root_event_id', event_id::text), created_at, published_at IS NOT NULL"
    " FROM outbox ORDER BY created_at, event_id"
)
_PAYMENTS: Final[LiteralString] = (
    "SELECT event_id::text, order_id, amount_cents, currency, state, payment_intent_id, created_at"
    " FROM payments ORDER BY event_id"
)
_PAYMENT_EVENTS: Final[LiteralString] = (
    "SELECT id, event_id::text, kind, from_state, to_state, cause FROM payment_events ORDER BY id"
)
_ORDER_EVENTS: Final[LiteralString] = (
    "SELECT id, order_id, 'transition', from_state, to_state, cause FROM order_events ORDER BY id"
)
_REFUNDS: Final[LiteralString] = (
    "SELECT refund_id::text, event_id::text, idempotency_key, amount_cents, state,"
    " stripe_refund_id FROM refunds ORDER BY refund_id"
)
_STOCK: Final[LiteralString] = (
    "SELECT sku, initial, on_hand, reserved, sold FROM inventory ORDER BY sku"
)
_RESERVATIONS: Final[LiteralString] = (
    "SELECT order_id, sku, quantity, state FROM reservations ORDER BY order_id, sku"
)
# A quarantined event was looked at and set aside on record; it is not forgotten.
_WEBHOOKS: Final[LiteralString] = (
    "SELECT e.event_id, e.type, e.object_id, e.received_at, e.processed_at IS NOT NULL,"
    " p.stripe_event_id IS NOT NULL FROM stripe_events e"
    " LEFT JOIN webhook_parked p ON p.stripe_event_id = e.event_id ORDER BY e.event_id"
)
_V1_INTENTS: Final[LiteralString] = (
    "SELECT v1_payment_intent_id FROM shadow_comparisons WHERE v1_payment_intent_id IS NOT NULL"
)
_DEAD_LETTERS: Final[LiteralString] = (
    "SELECT id, source, reason, event_id::text, resolved_at IS NOT NULL FROM dead_letters"
    " ORDER BY id"
)


def read_database(dsn: str) -> Database:
    """Read the whole database side of the judgement at one instant.

    Raises:
        DatabaseError: it could not be read, so nothing may be concluded.
    """
    with reading(dsn) as conn:
        return Database(
            read_at=_one_time(conn),
            orders=tuple(OrderRow(*row) for row in _rows(conn, _ORDERS)),
            outbox=tuple(OutboxRow(*row) for row in _rows(conn, _OUTBOX)),
            payments=tuple(PaymentRow(*row) for row in _rows(conn, _PAYMENTS)),
            payment_transitions=tuple(Transition(*row) for row in _rows(conn, _PAYMENT_EVENTS)),
            order_transitions=tuple(Transition(*row) for row in _rows(conn, _ORDER_EVENTS)),
            refunds=tuple(RefundRow(*row) for row in _rows(conn, _REFUNDS)),
            stock=tuple(StockRow(*row) for row in _rows(conn, _STOCK)),
            reservations=tuple(ReservationRow(*row) for row in _rows(conn, _RESERVATIONS)),
            webhooks=tuple(WebhookRow(*row) for row in _rows(conn, _WEBHOOKS)),
            dead_letters=tuple(DeadLetterRow(*row) for row in _rows(conn, _DEAD_LETTERS)),
            v1_intents=frozenset(row[0] for row in _rows(conn, _V1_INTENTS)),
        )


def read_clock(dsn: str) -> datetime:
    """The database's wall clock.

    Raises:
        DatabaseError: it could not be asked.
    """
    with reading(dsn) as conn:
        return _one_time(conn)


def _rows(conn: Connection, statement: LiteralString) -> list[tuple[Any, ...]]:
    return conn.execute(statement).fetchall()


def _one_time(conn: Connection) -> datetime:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    if row is None:
        raise DatabaseError("the database did not tell the time")
    return row[0]  # type: ignore[no-any-return]
