"""What `status` asks the database: who leads the publishers, and what is not settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.database import DatabaseError, connect
from bookpayctl.clients.publisher_lock import HOLDERS
from bookpayctl.targets.status import Leader, OpenPayments, Waiting
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

# A failed refund that was asked for again is closed by the next one. An order written by hand may
# be dated infinity, which has no age and must not take the others' away.
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
UNION ALL
SELECT 'webhooks early', count(*), min(parked_at) FROM {SCHEMA}.webhook_parked
UNION ALL
SELECT 'webhooks quarantined', count(*), min(received_at) FROM {SCHEMA}.webhook_quarantine
WHERE released_at IS NULL
UNION ALL
SELECT 'dead letters', count(*), min(created_at) FROM {SCHEMA}.dead_letters
WHERE resolved_at IS NULL
"""  # noqa: S608 - the schema is a constant
_WAITING_WITH_AGE: Final = f"""
SELECT what, n, coalesce(extract(epoch FROM clock_timestamp() - since), 0)::float8
FROM ({_WAITING}) AS waiting (what, n, since)
"""  # noqa: S608 - built above


class LedgerError(RuntimeError):
    """The database did not answer."""


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """Attributes as in `Status`."""

    leader: Leader | None
    open_payments: tuple[OpenPayments, ...]
    waiting: tuple[Waiting, ...]


def read_ledger(dsn: str) -> LedgerFacts:
    """Ask the database, in one read-only session with a time-out.

    Raises:
        LedgerError: it did not answer, or has not been migrated.
    """
    options = "-c statement_timeout=3000 -c default_transaction_read_only=on"
    try:
        with connect(dsn, timeout_seconds=3, options=options) as conn:
            held = conn.execute(_LEADER, (PUBLISHER_LOCK_KEY,)).fetchone()
            final = [state.value for state in FINAL_PAYMENT_STATES]
            still_open = conn.execute(_OPEN, (final,)).fetchall()
            waiting = conn.execute(_WAITING_WITH_AGE).fetchall()
    except DatabaseError as error:
        raise LedgerError(f"the database does not say: {str(error).strip()}") from error
    leader = None
    if held is not None:
        backend_pid, publisher_id, term, seconds = held
        leader = Leader(publisher_id or "", backend_pid, term, seconds)
    return LedgerFacts(
        leader,
        tuple(OpenPayments(*row) for row in still_open),
        tuple(Waiting(*row) for row in waiting),
    )
