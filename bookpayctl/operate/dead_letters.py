"""Dead letters as an operator sees them: where each came from and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from bookpayctl.clients.database import Connection
from runtime.domain.names import PaymentState, Service

PAYLOAD_SHOWN_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class DeadLetterEntry:
    """One row of dead_letters with the payment it speaks of.

    Attributes:
        source: the service that gave up, or `outbox` for a row that cannot be published.
        place: topic/partition@offset of a record; None for an event.
        may_be_charged: Stripe has to be asked before the payment may be sent again.
    """

    id: int
    source: str
    reason: str
    event_id: UUID | None
    place: str | None
    error: str
    age_seconds: float
    resolved: bool
    order_id: str | None
    payment_state: str | None
    may_be_charged: bool

    @property
    def subject(self) -> str:
        """What it is about, in the fewest words that name it."""
        return self.order_id or (str(self.event_id) if self.event_id else self.place or "-")

    @property
    def next_step(self) -> str:
        """What an operator can do, as the runtime would decide it now."""
        if self.resolved:
            return "resolved"
        if self.event_id is None:
            return "mend its producer"
        if self.place is not None:
            return "mend the cause, then redrive: its event is told again"
        if self.source == "outbox":
            return "mend the cause, then redrive"
        if self.source != Service.WORKER:
            return "look at its payload"
        if self.payment_state != PaymentState.PARKED:
            return f"payment is {self.payment_state}"
        if self.may_be_charged:
            return "wait: Stripe is asked first"
        return "mend the cause, then redrive"


_SELECT: Final = """
    SELECT d.id, d.source, d.reason, d.event_id,
           CASE WHEN d.source_offset IS NOT NULL
                THEN d.source_topic || '/' || d.source_partition || '@' || d.source_offset END,
           d.error, extract(epoch FROM clock_timestamp() - d.created_at)::float8,
           d.resolved_at IS NOT NULL, p.order_id, p.state, coalesce(p.maybe_executed, false)
    FROM dead_letters d LEFT JOIN payments p ON p.event_id = d.event_id
    WHERE (%(every)s OR d.resolved_at IS NULL)
      AND (%(ids)s::bigint[] IS NULL OR d.id = ANY (%(ids)s))
      AND (%(subjects)s::text[] IS NULL OR d.event_id::text = ANY (%(subjects)s)
           OR p.order_id = ANY (%(subjects)s))
      AND (%(reason)s::text IS NULL OR d.reason = %(reason)s)
      AND (%(age)s::float8 IS NULL
           OR d.created_at > clock_timestamp() - make_interval(secs => %(age)s))
    ORDER BY d.id DESC LIMIT %(limit)s
"""


def select(
    conn: Connection,
    *,
    ids: Sequence[int] | None = None,
    subjects: Sequence[str] | None = None,
    reason: str | None = None,
    younger_than_seconds: float | None = None,
    every: bool = False,
    limit: int = 100,
) -> list[DeadLetterEntry]:
    """Dead letters, newest first; each condition that is None holds for all.

    Args:
        subjects: event ids or order ids.
        every: resolved ones, too.
    """
    rows = conn.execute(
        _SELECT,
        {
            "every": every,
            "ids": list(ids) if ids else None,
            "subjects": list(subjects) if subjects else None,
            "reason": reason,
            "age": younger_than_seconds,
            "limit": limit,
        },
    ).fetchall()
    return [DeadLetterEntry(*row) for row in rows]


def payload(conn: Connection, number: int) -> str | None:
    """The bytes of a record as text: what cannot be shown is escaped, a long one is cut."""
    row = conn.execute("SELECT payload FROM dead_letters WHERE id = %s", (number,)).fetchone()
    if row is None or row[0] is None:
        return None
    raw = bytes(row[0])
    text = raw[:PAYLOAD_SHOWN_MAX].decode("utf-8", "backslashreplace")
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    rest = len(raw) - PAYLOAD_SHOWN_MAX
    return shown if rest <= 0 else f"{shown}... ({rest} more bytes)"
