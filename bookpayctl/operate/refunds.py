"""Refunds as a list for an operator, and finding the payment a next one is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString
from uuid import UUID

from bookpayctl.clients.database import Connection, rows_of

_NEWEST: Final[LiteralString] = """
    SELECT p.order_id, r.n, r.state, r.amount_cents, r.currency, r.failure_code,
           r.stripe_refund_id, p.state AS payment_state, r.attempts,
           extract(epoch FROM clock_timestamp() - r.created_at)::float8 AS age_seconds, r.event_id
    FROM refunds r JOIN payments p USING (event_id)
    WHERE %(every)s OR r.state <> 'succeeded'
    ORDER BY r.created_at DESC, r.n DESC LIMIT %(limit)s
"""
_PAYMENT: Final[LiteralString] = """
    SELECT event_id, order_id FROM payments
    WHERE order_id = %(order)s OR event_id::text = %(order)s
"""


@dataclass(frozen=True, slots=True)
class RefundEntry:
    """One refund; `n` counts those of its payment, each with a key of its own."""

    order_id: str
    n: int
    state: str
    amount_cents: int
    currency: str
    failure_code: str | None
    stripe_refund_id: str | None
    payment_state: str
    attempts: int
    age_seconds: float
    event_id: UUID


@dataclass(frozen=True, slots=True)
class PaymentName:
    """A payment by its key and its order."""

    event_id: UUID
    order_id: str


def newest_refunds(conn: Connection, *, every: bool, limit: int) -> list[RefundEntry]:
    """Refunds that are open or failed, with `every` also those that succeeded; newest first."""
    return rows_of(conn, RefundEntry, _NEWEST, {"every": every, "limit": limit})


def find_payment(conn: Connection, order: str) -> PaymentName | None:
    """The payment of an order id, or of an event id."""
    found = rows_of(conn, PaymentName, _PAYMENT, {"order": order})
    return found[0] if found else None
