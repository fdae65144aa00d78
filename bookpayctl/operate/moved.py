"""Money of an order that others moved, as our own tables tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from bookpayctl.clients.database import Connection, rows_of
from bookpayctl.report.money import shown_money

_THERE: Final[LiteralString] = (
    "SELECT to_regclass('outside_refunds') IS NOT NULL AND to_regclass('disputes') IS NOT NULL"
)
_OF_ORDER: Final[LiteralString] = """
    SELECT 'refund' AS what, m.stripe_refund_id AS id, m.amount_cents, m.currency, m.status,
           m.reason, m.created_at, m.updated_at
    FROM outside_refunds m JOIN payments p USING (event_id) WHERE p.order_id = %(order)s
    UNION ALL
    SELECT 'dispute', m.stripe_dispute_id, m.amount_cents, m.currency, m.status, m.reason,
           m.created_at, m.updated_at
    FROM disputes m JOIN payments p USING (event_id) WHERE p.order_id = %(order)s
    ORDER BY created_at, id
"""


@dataclass(frozen=True, slots=True)
class MovedEntry:
    """A refund that is not ours, or a dispute, with Stripe's id and its own word for it."""

    what: str
    id: str
    amount_cents: int
    currency: str
    status: str
    reason: str | None
    created_at: datetime
    updated_at: datetime

    def sentence(self) -> str:
        """What happened, for a person."""
        money = shown_money(self.amount_cents, self.currency)
        why = f" ({self.reason})" if self.reason else ""
        if self.what == "refund":
            return f"{money} given back by others, refund {self.id} {self.status}{why}"
        return f"{money} disputed, dispute {self.id} {self.status}{why}"


def moved_of_order(conn: Connection, order_id: str) -> list[MovedEntry]:
    """What others moved of an order's money, oldest first; nothing in a database of before."""
    there = conn.execute(_THERE).fetchone()
    if there is None or not there[0]:
        return []
    return rows_of(conn, MovedEntry, _OF_ORDER, {"order": order_id})
