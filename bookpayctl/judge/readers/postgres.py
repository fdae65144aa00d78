"""PostgreSQL as evidence: every row the judge needs, in one repeatable-read transaction.

Reads the primary only: a replica's lag looks exactly like a lost write. Nothing is written, and
the session says so to the server.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from bookpayctl.clients.database import Connection, DatabaseError, reading
from bookpayctl.judge.rows import (
    CallRow,
    Database,
    DeadLetterRow,
    DisputeRow,
    OrderRow,
    OutboxRow,
    OutsideRefundRow,
    PaymentRow,
    RefundRow,
    ReservationRow,
    StockRow,
    Transition,
    WebhookRow,
)

# A time is judged as what is written: PostgreSQL knows `infinity` and years that Python does not,
# and a row must not stop the whole audit, or be left out of it, by naming one of them.
_ORDERS: Final[LiteralString] = (
    "SELECT id, tenant_id, total_cents, currency, status, client_key,"
    " least(greatest(created_at, 'epoch'), '9000-01-01 00:00:00+00') FROM orders"
    " ORDER BY created_at, id"
)
# Events of a payment name the order in their payload; an event written by hand may only have it
# as its aggregate.
_OUTBOX: Final[LiteralString] = (
    "SELECT event_id::text, event_type, coalesce(payload->>'order_id', aggregate_id),"
    " coalesce(payload->>'root_event_id', event_id::text),"
    " least(greatest(created_at, 'epoch'), '9000-01-01 00:00:00+00'),"
    " published_at IS NOT NULL, encode(sha256(convert_to(payload::text, 'UTF8')), 'hex'),"
    # The server judges the text: what is no whole number of its range stays what it is, a null.
    " CASE WHEN payload->>'amount_cents' ~ '^[0-9]{1,18}$'"
    " THEN (payload->>'amount_cents')::bigint END, payload->>'currency',"
    " payload->>'amount_cents' IS NOT NULL"
    " FROM outbox ORDER BY created_at, event_id"
)
_PAYMENTS: Final[LiteralString] = (
    "SELECT event_id::text, order_id, amount_cents, currency, state, payment_intent_id,"
    " least(greatest(created_at, 'epoch'), '9000-01-01 00:00:00+00') FROM payments"
    " ORDER BY event_id"
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
    "SELECT e.event_id, e.type, e.object_id,"
    " least(greatest(e.received_at, 'epoch'), '9000-01-01 00:00:00+00'),"
    " e.processed_at IS NOT NULL, p.stripe_event_id IS NOT NULL FROM stripe_events e"
    " LEFT JOIN webhook_parked p ON p.stripe_event_id = e.event_id ORDER BY e.event_id"
)
_V1_INTENTS: Final[LiteralString] = (
    "SELECT v1_payment_intent_id FROM shadow_comparisons WHERE v1_payment_intent_id IS NOT NULL"
)
# The row may be written after the call: until then the journal says whose call it was.
_SHADOWED: Final[LiteralString] = (
    "SELECT event_id::text FROM shadow_comparisons UNION"
    " SELECT event_id::text FROM stripe_calls WHERE operation = 'shadow_charge'"
    " AND event_id IS NOT NULL"
)
_OUTSIDE_REFUNDS: Final[LiteralString] = (
    "SELECT stripe_refund_id, payment_intent_id, amount_cents, status FROM outside_refunds"
    " ORDER BY stripe_refund_id"
)
_DISPUTES: Final[LiteralString] = (
    "SELECT stripe_dispute_id, payment_intent_id, amount_cents, status FROM disputes"
    " ORDER BY stripe_dispute_id"
)
_CALLS: Final[LiteralString] = (
    "SELECT operation, idempotency_key, event_id::text, request_id FROM stripe_calls ORDER BY id"
)
_NOTIFIED: Final[LiteralString] = "SELECT event_id::text FROM notifications"
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
            shadowed_events=frozenset(row[0] for row in _rows(conn, _SHADOWED)),
            outside_refunds=tuple(
                OutsideRefundRow(*row)
                for row in _rows_if_there(conn, "outside_refunds", _OUTSIDE_REFUNDS)
            ),
            disputes=tuple(DisputeRow(*row) for row in _rows_if_there(conn, "disputes", _DISPUTES)),
            calls=tuple(CallRow(*row) for row in _rows(conn, _CALLS)),
            notified=frozenset(row[0] for row in _rows(conn, _NOTIFIED)),
            clock_ahead=_clock_ahead(conn),
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


def _rows_if_there(conn: Connection, table: str, statement: LiteralString) -> list[tuple[Any, ...]]:
    """The rows of a table that a database brought up by an older version does not have yet."""
    found = conn.execute("SELECT to_regclass(%s)", (table,)).fetchone()
    return _rows(conn, statement) if found is not None and found[0] is not None else []


def _clock_ahead(conn: Connection) -> timedelta:
    """How far drills have put the environment's clock, and the twin's, ahead of the wall's."""
    row = conn.execute('SELECT "offset" FROM environment_clock').fetchone()
    return row[0] if row else timedelta(0)


def _one_time(conn: Connection) -> datetime:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    if row is None:
        raise DatabaseError("the database did not tell the time")
    return row[0]  # type: ignore[no-any-return]
