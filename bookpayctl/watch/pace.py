"""What the last seconds brought, asked of the database: rates, latencies, what waits, faults hit.

Each look reads the newest rows by their number and no table as a whole, so that watching a big
shop costs it as little as watching a small one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from bookpayctl.clients.database import Connection, DatabaseError, connect
from runtime.domain.names import SCHEMA

WINDOW_SECONDS: Final = 10
"""Rates and latencies are those of so many seconds: short enough to see a fault, long enough for a
figure that stands still."""

ROWS_MAX: Final = 20_000
"""Of the newest rows no more are read; at a rate that needs more, the window gets shorter."""

FAULTS_SHOWN: Final = 3
_TIMEOUT_SECONDS: Final = 3

_ORDERS: Final[LiteralString] = """
WITH newest AS (SELECT order_id, to_state, at FROM order_events ORDER BY id DESC LIMIT %(rows)s),
     held AS (SELECT least(%(window)s, CASE WHEN count(*) < %(rows)s THEN %(window)s
                  ELSE extract(epoch FROM clock_timestamp() - min(at)) END)::float8 AS seconds
              FROM newest),
     lately AS (SELECT * FROM newest
                WHERE at > clock_timestamp() - make_interval(secs => (SELECT seconds FROM held)))
SELECT (SELECT greatest(seconds, 0.001) FROM held),
       count(*) FILTER (WHERE to_state = 'pending'),
       count(*) FILTER (WHERE to_state = 'paid'),
       count(*) FILTER (WHERE to_state IN ('cancelled', 'refunded')),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY took)::float8,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY took)::float8
FROM lately LEFT JOIN LATERAL (
    SELECT extract(epoch FROM lately.at - orders.created_at) * 1000 AS took FROM orders
    WHERE orders.id = lately.order_id AND lately.to_state = 'paid' AND isfinite(orders.created_at)
) AS paid ON true
"""

_STRIPE: Final[LiteralString] = """
SELECT count(answered_at),
       count(*) FILTER (WHERE answered_at IS NULL),
       count(*) FILTER (WHERE status >= 500 OR status = 429),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY took)::float8,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY took)::float8
FROM (SELECT started_at, answered_at, status,
             extract(epoch FROM answered_at - started_at) * 1000 AS took
      FROM stripe_calls ORDER BY id DESC LIMIT %(rows)s) AS newest
WHERE coalesce(answered_at, started_at) > clock_timestamp() - make_interval(secs => %(window)s)
"""

# What an unpublished event that is a dead letter waits for is a person, not the publisher.
_OUTBOX: Final[LiteralString] = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp()
         - min(created_at) FILTER (WHERE isfinite(created_at))), 0)::float8
FROM (SELECT created_at FROM outbox WHERE published_at IS NULL AND event_id NOT IN (
          SELECT event_id FROM dead_letters WHERE source = 'outbox' AND event_id IS NOT NULL)
      ORDER BY created_at LIMIT %(rows)s) AS waiting
"""

_HITS: Final[LiteralString] = """
SELECT hit_at, point, action, process FROM failpoint_hits ORDER BY id DESC LIMIT %(faults)s
"""


class PaceError(RuntimeError):
    """The database did not answer."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds; None where nothing came to its end."""

    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class FaultSeen:
    """A failpoint that was hit."""

    at: datetime
    point: str
    action: str
    process: str


@dataclass(frozen=True, slots=True)
class Pace:
    """The last seconds.

    Attributes:
        seconds: what the rates are of; WINDOW_SECONDS, or less where more than ROWS_MAX rows came.
        placed_per_second, paid_per_second, given_back_per_second: orders; given back are those
            cancelled or refunded.
        paid: from an order's acceptance to `paid`.
        stripe_per_second: calls that Stripe answered.
        stripe_unanswered: calls begun in that time that have no answer.
        stripe_refused: answers of 429, or of 500 and more.
        unpublished: events in the outbox, at most ROWS_MAX; None where a capture publishes, which
            marks none. `oldest_unpublished_seconds` 0 without.
        hits: the newest first.
    """

    seconds: float
    placed_per_second: float
    paid_per_second: float
    given_back_per_second: float
    paid: Percentiles
    stripe_per_second: float
    stripe_unanswered: int
    stripe_refused: int
    stripe: Percentiles
    unpublished: int | None
    oldest_unpublished_seconds: float
    hits: tuple[FaultSeen, ...]


def read_pace(dsn: str, *, captured: bool = False) -> Pace:
    """Ask the database, in one read-only session with a time-out.

    Args:
        captured: whether events leave the outbox by change data capture.

    Raises:
        PaceError: it did not answer, or has not been migrated.
    """
    options = f"-c search_path={SCHEMA} -c default_transaction_read_only=on"
    options += f" -c statement_timeout={_TIMEOUT_SECONDS * 1000}"
    values = {"rows": ROWS_MAX, "window": WINDOW_SECONDS, "faults": FAULTS_SHOWN}
    try:
        with connect(dsn, timeout_seconds=_TIMEOUT_SECONDS, options=options) as conn:
            orders = conn.execute(_ORDERS, values).fetchone()
            stripe = conn.execute(_STRIPE, values).fetchone()
            outbox = (None, 0.0) if captured else _unpublished(conn, values)
            hits = conn.execute(_HITS, values).fetchall()
    except DatabaseError as error:
        raise PaceError(f"the database does not say: {str(error).strip()}") from error
    if orders is None or stripe is None:
        raise PaceError("the database does not say: a count gave no row")
    seconds, placed, paid, given_back, *took = orders
    answered, unanswered, refused, *stripe_took = stripe
    return Pace(
        seconds=seconds,
        placed_per_second=placed / seconds,
        paid_per_second=paid / seconds,
        given_back_per_second=given_back / seconds,
        paid=Percentiles(*took),
        stripe_per_second=answered / WINDOW_SECONDS,
        stripe_unanswered=unanswered,
        stripe_refused=refused,
        stripe=Percentiles(*stripe_took),
        unpublished=outbox[0],
        oldest_unpublished_seconds=outbox[1],
        hits=tuple(FaultSeen(*row) for row in hits),
    )


def _unpublished(conn: Connection, values: Mapping[str, int]) -> tuple[int, float]:
    """How many events wait for their publisher, and the oldest for how many seconds."""
    count, seconds = conn.execute(_OUTBOX, values).fetchone() or (0, 0.0)
    return int(count), float(seconds)
