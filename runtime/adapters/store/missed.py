"""Orders that wait for an event that was published long ago, and publishing it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import kwargs_row

from runtime.domain.names import EventId, OrderId, OrderStatus, PaymentState

REPUBLISHED_MAX: Final = 6
"""Times an event is published again before people have to look; the waits in between double."""


@dataclass(frozen=True, slots=True)
class WaitingOrder:
    """An order that seems to have missed an event.

    Attributes:
        event_id: of its OrderPlaced; None for an order written by hand that has none on record.
    """

    order_id: OrderId
    status: OrderStatus
    event_id: EventId | None
    payment_state: PaymentState | None
    cancel_known: bool


@dataclass(frozen=True, slots=True)
class Period:
    """Cancelled orders by when they were last written: from `since` on, and before `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Slice(Period):
    """A part of the week's; `now` is what is old enough as of this look."""

    now: datetime


# Each payment by its order's key. Left to choose, the planner reads all payments for a thousand
# orders; OFFSET 0 keeps it from making the sub-select a join.
_COLUMNS: Final = """
    SELECT id AS order_id, status, coalesce(orders.event_id, payments.event_id) AS event_id,
           payments.state AS payment_state,
           payments.cancel_requested_at IS NOT NULL AS cancel_known
    FROM orders LEFT JOIN LATERAL (
        SELECT event_id, state, cancel_requested_at FROM payments
        WHERE payments.order_id = orders.id OFFSET 0) AS payments ON true
"""
# Wall time: whether a record was lost does not depend on the clock of a drill.
_PENDING: Final = f"""
    {_COLUMNS} WHERE status = 'pending'
      -- One that is dated ahead waits since its row was written; who wrote that ahead, too, has
      -- waited long enough: nobody knows for how long.
      AND (orders.created_at < clock_timestamp() - make_interval(secs => %(window)s)
           OR orders.updated_at < clock_timestamp() - make_interval(secs => %(window)s)
           OR orders.updated_at > clock_timestamp() + interval '1 day')
      AND (payments.event_id IS NULL
           -- Ended, and the order has not heard of it.
           OR payments.state IN ('succeeded', 'failed', 'refunding', 'refunded'))
    LIMIT %(limit)s
"""
_CANCELLED: Final = f"""
    {_COLUMNS} WHERE status = 'cancelled'
      AND orders.updated_at >= %(since)s AND orders.updated_at < %(until)s
      AND (payments.event_id IS NULL OR payments.state = 'refunded'
           OR (payments.cancel_requested_at IS NULL
               AND payments.state NOT IN ('failed', 'refunding')))
    LIMIT %(limit)s
"""

# A cancelled order is looked at for a week; what was lost longer ago is the audit's to find. The
# statement's time, which stands still in it: by `clock_timestamp()` no index is entered, and every
# order that was ever cancelled would be read.
_SLICE: Final = """
    WITH bounds AS (
        SELECT statement_timestamp() - make_interval(secs => %(window)s) AS now,
               least(coalesce(%(below)s::timestamptz, 'infinity'),
                     statement_timestamp() - make_interval(secs => %(window)s)) AS until,
               statement_timestamp() - interval '7 days' AS week_ago)
    SELECT (SELECT min(updated_at) FROM (
                SELECT updated_at FROM orders
                WHERE status = 'cancelled' AND updated_at >= week_ago AND updated_at < until
                ORDER BY updated_at DESC LIMIT %(size)s) AS newest) AS since, until, now
    FROM bounds
"""


def waiting_orders(conn: Connection, *, window_seconds: float, limit: int) -> list[WaitingOrder]:
    """Pending orders older than the window that an event should have moved on."""
    with conn.cursor(row_factory=kwargs_row(_to_order)) as cursor:
        return cursor.execute(_PENDING, {"window": window_seconds, "limit": limit}).fetchall()


def waiting_cancelled(conn: Connection, span: Period, *, limit: int) -> list[WaitingOrder]:
    """Cancelled orders of a span whose payment an event should have moved on."""
    with conn.cursor(row_factory=kwargs_row(_to_order)) as cursor:
        values = {"since": span.since, "until": span.until, "limit": limit}
        return cursor.execute(_CANCELLED, values).fetchall()


def slice_below(
    conn: Connection, below: datetime | None, *, window_seconds: float, size: int
) -> Slice | None:
    """The newest cancelled orders that are older than the window, and than `below`.

    Returns:
        Where so many of them lie, more only where several were written in one instant; None where
        the week has no more.
    """
    values = {"below": below, "window": window_seconds, "size": size}
    since, until, now = conn.execute(_SLICE, values).fetchone() or (None, None, None)
    return None if since is None else Slice(since, until, now)


def _to_order(
    *,
    order_id: OrderId,
    status: str,
    event_id: EventId | None,
    payment_state: str | None,
    cancel_known: bool,
) -> WaitingOrder:
    state = PaymentState(payment_state) if payment_state else None
    return WaitingOrder(order_id, OrderStatus(status), event_id, state, cancel_known)


# The publisher sends whatever has no published_at: to take the mark back is to publish again.
_UNMARK: Final = """
    UPDATE outbox SET published_at = NULL FROM due WHERE outbox.event_id = due.event_id
    RETURNING outbox.event_id
"""
# A capture sends whatever is inserted, and hears of nothing else: the row makes way for itself.
_INSERT_AGAIN: Final = """
    , gone AS (DELETE FROM outbox USING due WHERE outbox.event_id = due.event_id
               RETURNING outbox.*)
    INSERT INTO outbox SELECT * FROM gone RETURNING event_id
"""
_DUE: Final = """
    WITH due AS (
        SELECT outbox.event_id FROM outbox LEFT JOIN events_told_again USING (event_id)
        WHERE outbox.event_id = ANY (%(event_ids)s) AND coalesce(times, 0) < %(most)s
          -- What waits for an operator is not published again behind his back.
          AND NOT EXISTS (SELECT FROM dead_letters WHERE dead_letters.event_id = outbox.event_id
                          AND resolved_at IS NULL)
          -- Doubling: an event whose consumer is down for an hour is not sent a hundred times.
          -- A mark set by hand may lie ahead, at infinity even; it says as little of a moment ago
          -- as one that is old.
          AND NOT {sent_at} BETWEEN
              clock_timestamp() - make_interval(secs => %(window)s * power(2, coalesce(times, 0)))
              AND clock_timestamp() + interval '1 minute'
        FOR UPDATE OF outbox SKIP LOCKED),
    counted AS (
        INSERT INTO events_told_again (event_id) SELECT event_id FROM due
        ON CONFLICT (event_id) DO UPDATE SET times = events_told_again.times + 1,
            told_at = clock_timestamp())
"""
_REPUBLISH: Final = _DUE.format(sent_at="published_at") + _UNMARK
_INSERT_WHAT_IS_DUE: Final = _DUE.format(sent_at="coalesce(told_at, created_at)") + _INSERT_AGAIN


def republish_now(conn: Connection, event_id: UUID, *, captured: bool = False) -> bool:
    """Have one event published again at once; False when the outbox does not have it."""
    statement = (
        f"WITH due AS (SELECT %s::uuid AS event_id) {_INSERT_AGAIN if captured else _UNMARK}"
    )
    return conn.execute(statement, (event_id,)).rowcount == 1


def republish(
    conn: Connection, event_ids: Sequence[UUID], *, window_seconds: float, captured: bool = False
) -> list[EventId]:
    """Have events published again that were published more than a window ago.

    Args:
        captured: whether events leave the outbox by change data capture, which marks none: then
            an event counts as published when it was written.

    Returns:
        Those that will be; the others are not there, not published yet, or were sent a moment ago.
    """
    rows = conn.execute(
        _INSERT_WHAT_IS_DUE if captured else _REPUBLISH,
        {"event_ids": list(event_ids), "most": REPUBLISHED_MAX, "window": window_seconds},
    ).fetchall()
    return [EventId(row[0]) for row in rows]
