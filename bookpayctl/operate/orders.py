"""Orders as a list for an operator, each with where its payment stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from bookpayctl.clients.database import Connection, rows_of

_NEWEST: Final[LiteralString] = """
    SELECT o.id, o.status, p.state AS payment, o.total_cents, o.currency, o.created_at,
           p.payment_intent_id AS intent
    FROM orders o LEFT JOIN payments p ON p.order_id = o.id
    WHERE %(status)s::text IS NULL OR o.status = %(status)s
    ORDER BY o.created_at DESC, o.id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """One line; `payment` and `intent` are None while there is none."""

    id: str
    status: str
    payment: str | None
    total_cents: int
    currency: str
    created_at: datetime
    intent: str | None


def newest_orders(conn: Connection, *, status: str | None, limit: int) -> list[OrderEntry]:
    """The newest orders first, of one status or of all."""
    return rows_of(conn, OrderEntry, _NEWEST, {"status": status, "limit": limit})
