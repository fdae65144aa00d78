"""What `status` asks the database: who leads the publishers, and what is not settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.capture_slot import SLOT, CaptureSlot, read_slot
from bookpayctl.clients.database import DatabaseError, connect
from bookpayctl.clients.publisher_lock import HOLDERS, LogSlot, log_slot
from bookpayctl.targets.status import (
    Capture,
    Leader,
    MovedByOthers,
    OpenPayments,
    SlotUse,
    Waiting,
)
from runtime.domain.names import FINAL_PAYMENT_STATES, PUBLISHER_LOCK_KEY, SCHEMA

_LEADER: Final = f"""
SELECT leader.pid, term.publisher_id, term.term,
       extract(epoch FROM clock_timestamp() - term.began_at)::float8
FROM ({HOLDERS}) AS leader
LEFT JOIN LATERAL (
    SELECT publisher_id, term, began_at FROM {SCHEMA}.publisher_terms
    WHERE backend_pid = leader.pid AND ended_at IS NULL ORDER BY term DESC LIMIT 1
) AS term ON true
"""  # noqa: S608 - constants

# Ages by the environment's clock, so that they agree with the services after a drill moved it.
_OPEN: Final = f"""
SELECT state, count(*),
       extract(epoch FROM {SCHEMA}.environment_now() - min(created_at))::float8
FROM {SCHEMA}.payments WHERE state <> ALL(%s) GROUP BY state ORDER BY state
"""  # noqa: S608 - the schema is a constant

# Where the tables of what others moved are there: a database that was not migrated has none.
_MIGRATED: Final = f"""
SELECT to_regclass('{SCHEMA}.outside_refunds') IS NOT NULL
   AND to_regclass('{SCHEMA}.disputes') IS NOT NULL
"""
_DISPUTED: Final = """
    CASE WHEN status = 'lost' THEN 'disputes lost'
         WHEN status LIKE 'warning%' THEN 'inquiries'
         WHEN status IN ('won', 'prevented', 'charge_refunded') THEN 'disputes won'
         ELSE 'disputes open' END
"""
_MOVED: Final = f"""
SELECT 'refunds' AS what, count(*), sum(amount_cents)::bigint, currency
FROM {SCHEMA}.outside_refunds WHERE status NOT IN ('failed', 'canceled') GROUP BY currency
UNION ALL
SELECT {_DISPUTED} AS what, count(*), sum(amount_cents)::bigint, currency
FROM {SCHEMA}.disputes GROUP BY 1, currency
ORDER BY what, currency
"""  # noqa: S608 - constants
_DISPUTES_OPEN: Final = f"""
SELECT 'disputes open', count(*), coalesce(
    extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE isfinite(created_at))),
    0)::float8
FROM {SCHEMA}.disputes WHERE {_DISPUTED} = 'disputes open'
"""  # noqa: S608 - constants

# A failed refund that was asked for again is closed by the next one, and one of which others have
# given the money back is owed no more. An order written by hand may be dated infinity, which has no
# age and must not take the others' away.
_WAITING: Final = f"""
SELECT 'orders pending', count(*), min(created_at) FILTER (WHERE isfinite(created_at))
FROM {SCHEMA}.orders WHERE status = 'pending'
UNION ALL
SELECT 'refunds open', count(*), min(created_at) FROM {SCHEMA}.refunds
WHERE state NOT IN ('succeeded', 'failed')
UNION ALL
SELECT 'refunds failed', count(*), min(updated_at) FROM {SCHEMA}.refunds AS failed
WHERE state = 'failed' AND NOT EXISTS (SELECT FROM {SCHEMA}.refunds AS later
    WHERE later.event_id = failed.event_id AND later.n > failed.n)
    AND {{still_owed}}
UNION ALL
SELECT 'webhooks early', count(*), min(parked_at) FROM {SCHEMA}.webhook_parked
UNION ALL
SELECT 'webhooks quarantined', count(*), min(received_at) FROM {SCHEMA}.webhook_quarantine
WHERE released_at IS NULL
UNION ALL
SELECT 'dead letters', count(*), min(created_at) FROM {SCHEMA}.dead_letters
WHERE resolved_at IS NULL
"""  # noqa: S608 - the schema is a constant
_STILL_OWED: Final = f"""EXISTS (SELECT FROM {SCHEMA}.payments AS p
    WHERE p.event_id = failed.event_id AND p.amount_cents >
        coalesce((SELECT sum(amount_cents) FROM {SCHEMA}.outside_refunds AS o
                  WHERE o.event_id = p.event_id AND o.status NOT IN ('failed', 'canceled')), 0)
        + coalesce((SELECT sum(amount_cents) FROM {SCHEMA}.disputes AS d
                    WHERE d.event_id = p.event_id
                      AND {_DISPUTED} IN ('disputes open', 'disputes lost')), 0)
        + coalesce((SELECT sum(amount_cents) FROM {SCHEMA}.refunds AS given
                    WHERE given.event_id = p.event_id AND given.state = 'succeeded'), 0))
"""  # noqa: S608 - constants
_WITH_AGE: Final = """
SELECT what, n, coalesce(extract(epoch FROM clock_timestamp() - since), 0)::float8
FROM ({waiting}) AS waiting (what, n, since)
"""


def _waiting_with_age(*, migrated: bool) -> str:
    waiting = _WAITING.format(still_owed=_STILL_OWED if migrated else "true")
    return _WITH_AGE.format(waiting=waiting)


class LedgerError(RuntimeError):
    """The database did not answer."""


def _slot(found: LogSlot | None) -> SlotUse | None:
    if found is None:
        return None
    streamed = found.sender_pid is not None
    return SlotUse(streamed, found.is_lost, found.kept_bytes, found.left_bytes)


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """Attributes as in `Status`."""

    leader: Leader | None
    open_payments: tuple[OpenPayments, ...]
    waiting: tuple[Waiting, ...]
    moved_by_others: tuple[MovedByOthers, ...] = ()
    capture: Capture | None = None


def read_ledger(dsn: str) -> LedgerFacts:
    """Ask the database, in one read-only session with a time-out.

    Raises:
        LedgerError: it did not answer, or has not been migrated.
    """
    options = "-c statement_timeout=3000 -c default_transaction_read_only=on"
    try:
        with connect(dsn, timeout_seconds=3, options=options) as conn:
            held = conn.execute(_LEADER, (PUBLISHER_LOCK_KEY,)).fetchone()
            slot = log_slot(conn)
            final = [state.value for state in FINAL_PAYMENT_STATES]
            still_open = conn.execute(_OPEN, (final,)).fetchall()
            migrated = bool((conn.execute(_MIGRATED).fetchone() or (False,))[0])
            waiting = conn.execute(_waiting_with_age(migrated=migrated)).fetchall()
            captured = read_slot(conn)
            moved = []
            if migrated:
                waiting += conn.execute(_DISPUTES_OPEN).fetchall()
                moved = conn.execute(_MOVED).fetchall()
    except DatabaseError as error:
        raise LedgerError(f"the database does not say: {str(error).strip()}") from error
    leader = None
    if held is not None:
        backend_pid, publisher_id, term, seconds = held
        leader = Leader(publisher_id or "", backend_pid, term, seconds, _slot(slot))
    return LedgerFacts(
        leader,
        tuple(OpenPayments(*row) for row in still_open),
        tuple(Waiting(*row) for row in waiting),
        tuple(MovedByOthers(*row) for row in moved),
        None if captured is None else _capture_of(captured),
    )


def _capture_of(slot: CaptureSlot) -> Capture:
    return Capture(SLOT, slot.active, slot.wal_status, slot.behind_bytes)
