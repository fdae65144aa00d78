"""What the reconciler looks at: rows claimed with SKIP LOCKED, so that replicas are safe.

A claim pushes next_attempt_at ahead in a transaction of its own, so that no lock is held while
Stripe is asked and a reconciler that dies only delays its rows. How far ahead is the caller's: by
more than a call may take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from runtime.adapters.store import payments
from runtime.adapters.store.payments import PaymentRow
from runtime.adapters.store.rows import seconds_since


@dataclass(frozen=True, slots=True)
class Backlog:
    """Rows of one kind that are not closed, with the age of the oldest in seconds."""

    what: str
    count: int
    oldest_seconds: float


def claim_unanswered(conn: Connection, *, hold_seconds: float, limit: int) -> list[PaymentRow]:
    """Payments Stripe has to be asked about before anything else is done with them."""
    return _claim(
        conn,
        # Parked ones too: an operator may send one again only when Stripe is known to hold nothing.
        "needs_reconcile AND state IN ('unknown', 'parked')"
        " AND next_attempt_at <= environment_now()",
        {},
        hold_seconds=hold_seconds,
        limit=limit,
    )


def claim_processing(
    conn: Connection, *, window_seconds: float, hold_seconds: float, limit: int
) -> list[PaymentRow]:
    """Payments whose PaymentIntent is open for too long, or is not wanted any more."""
    return _claim(
        conn,
        "state = 'processing' AND next_attempt_at <= environment_now()"
        # At once when the order is cancelled: then nobody waits for the customer to finish paying.
        " AND (cancel_requested_at IS NOT NULL OR coalesce(last_attempted_at, created_at) <"
        " environment_now() - make_interval(secs => %(window)s))",
        {"window": window_seconds},
        hold_seconds=hold_seconds,
        limit=limit,
    )


def _claim(
    conn: Connection,
    where: str,
    values: Mapping[str, object],
    *,
    hold_seconds: float,
    limit: int,
) -> list[PaymentRow]:
    rows = payments.select(
        conn,
        where + " ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
        {**values, "limit": limit},
    )
    conn.execute(
        "UPDATE payments SET next_attempt_at = environment_now() + make_interval(secs => %s)"
        " WHERE event_id = ANY (%s)",
        (hold_seconds, [row.event_id for row in rows]),
    )
    return rows


def look_again_in(conn: Connection, row: PaymentRow, seconds: float) -> None:
    """Set when a row that stays as it is comes up next."""
    conn.execute(
        # In the state it was seen in only: what moved in between has set its own time.
        "UPDATE payments SET next_attempt_at = environment_now() + make_interval(secs => %s)"
        " WHERE event_id = %s AND state = %s",
        (seconds, row.event_id, row.payment.state),
    )


def environment_seconds(conn: Connection) -> float:
    """The environment clock as Unix seconds."""
    row = conn.execute("SELECT extract(epoch FROM environment_now())::float8").fetchone()
    if row is None:
        raise RuntimeError("SELECT returned no row")
    return float(row[0])


def open_payments(conn: Connection) -> list[Backlog]:
    """The backlog: payments that are not final, by state."""
    with conn.cursor(row_factory=class_row(Backlog)) as cursor:
        return cursor.execute(
            "SELECT state AS what, count(*) AS count,"  # noqa: S608 - constants
            f" {seconds_since('min(created_at)')} AS oldest_seconds"
            " FROM payments WHERE state NOT IN ('succeeded', 'failed', 'refunded') GROUP BY state"
        ).fetchall()


# A failed refund that was asked for again is history; the last one is what the customer is owed,
# unless others have given it back.
_FAILED_LAST: Final = (
    "state = 'failed' AND NOT EXISTS (SELECT FROM refunds AS later"
    " WHERE later.event_id = refunds.event_id AND later.n > refunds.n)"
    " AND (SELECT amount_cents FROM payments WHERE payments.event_id = refunds.event_id) >"
    " coalesce((SELECT sum(amount_cents) FROM outside_refunds AS o"
    "   WHERE o.event_id = refunds.event_id AND o.status NOT IN ('failed', 'canceled')), 0)"
    " + coalesce((SELECT sum(amount_cents) FROM disputes AS d WHERE d.event_id = refunds.event_id"
    "   AND (closed_at IS NULL OR status = 'lost') AND status NOT LIKE 'warning%'), 0)"
    " + coalesce((SELECT sum(amount_cents) FROM refunds AS given"
    "   WHERE given.event_id = refunds.event_id AND given.state = 'succeeded'), 0)"
)
_UNPUBLISHED: Final = (
    "published_at IS NULL AND NOT EXISTS (SELECT FROM dead_letters AS letter"
    " WHERE letter.source = 'outbox' AND letter.event_id = outbox.event_id)"
)
_OUTBOX_UNPUBLISHED: Final = "outbox_unpublished"
_DISPUTED: Final = "closed_at IS NULL AND status NOT LIKE 'warning%'"

# What to count, in which rows, and the column that says since when.
_COUNTED: Final = (
    ("refunds_open", "refunds", "created_at", "state NOT IN ('succeeded', 'failed')"),
    ("refunds_failed", "refunds", "updated_at", _FAILED_LAST),
    ("webhooks_early", "webhook_parked", "parked_at", "true"),
    ("webhooks_quarantined", "webhook_quarantine", "received_at", "released_at IS NULL"),
    ("disputes_open", "disputes", "created_at", _DISPUTED),
    ("disputes_lost", "disputes", "closed_at", "status = 'lost'"),
    ("dead_letters", "dead_letters", "created_at", "resolved_at IS NULL"),
    ("orders_pending", "orders", "created_at", "status = 'pending'"),
    # What is a dead letter waits for a person, and is counted there.
    (_OUTBOX_UNPUBLISHED, "outbox", "created_at", _UNPUBLISHED),
)
# One statement, so that the counts are of one moment and cost one round trip a second. A time
# written by hand may be infinite, which has no age and must not take the others' away.
_COUNTS: Final = {
    what: f"SELECT '{what}' AS what, count(*) AS count,"  # noqa: S608 - constants
    f" coalesce(extract(epoch FROM clock_timestamp()"
    f" - min({since}) FILTER (WHERE isfinite({since}))), 0)::float8 AS oldest_seconds"
    f" FROM {table} WHERE {where}"
    for what, table, since, where in _COUNTED
}


def waiting(conn: Connection, *, captured: bool = False) -> list[Backlog]:
    """What else is open or waits for an operator, each with its count, zero included.

    Args:
        captured: whether events leave the outbox by change data capture, which marks none: then
            nobody here can say what is unpublished, and it is left out.
    """
    left_out = {_OUTBOX_UNPUBLISHED} if captured else set()
    counts = (count for what, count in _COUNTS.items() if what not in left_out)
    with conn.cursor(row_factory=class_row(Backlog)) as cursor:
        return cursor.execute(" UNION ALL ".join(counts)).fetchall()
