"""One step of a refund with what it means for its payment, in one transaction.

Worker, webhook receiver and reconciler all report through `apply`, as they do for charges through
`payments.apply`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection

from runtime.adapters.store import payments, refunds
from runtime.adapters.store.payments import Cause
from runtime.adapters.store.refunds import RefundRow
from runtime.domain.names import RefundState
from runtime.domain.outcome import Retry
from runtime.domain.payment_events import RefundFailed, RefundSucceeded
from runtime.domain.refund import Refund, RefundAnswered, RefundEvent, next_refund


@dataclass(frozen=True, slots=True)
class Moved:
    """The refund as it is now; `changed` tells whether this event made it so."""

    refund: Refund
    changed: bool


def apply(
    conn: Connection,
    refund_id: UUID,
    event: RefundEvent,
    who: str,
    *,
    rng: random.Random,
    lease_token: UUID | None = None,
) -> Moved | None:
    """Put `event` through the decision and write it.

    Args:
        lease_token: given by a sender, whose result counts only while it holds the lease.

    Returns:
        None when there is no such refund, or the lease is another's: nothing was written.
    """
    row = refunds.lock(conn, refund_id)
    if row is None or (lease_token is not None and row.lease_token != lease_token):
        return None
    return apply_locked(conn, row, event, who, rng=rng)


def apply_locked(
    conn: Connection, row: RefundRow, event: RefundEvent, who: str, *, rng: random.Random
) -> Moved:
    """The same for a row the caller has locked in this transaction."""
    after = next_refund(row.refund, event)
    if after == row.refund:
        return Moved(after, changed=False)
    refunds.write(conn, row, after, refunds.wait_seconds(after, _asked_wait(event), rng))
    if after.state is not row.refund.state:
        _tell_payment(conn, row, after, Cause(who, str(row.refund_id)), rng)
    return Moved(after, changed=True)


def _tell_payment(
    conn: Connection, row: RefundRow, after: Refund, cause: Cause, rng: random.Random
) -> None:
    if after.state is RefundState.SUCCEEDED:
        payments.apply(conn, row.event_id, RefundSucceeded(), cause, rng=rng)
    elif after.state is RefundState.FAILED:
        report = RefundFailed(after.failure_code or "refund_failed")
        payments.apply(conn, row.event_id, report, cause, rng=rng)


def _asked_wait(event: RefundEvent) -> float | None:
    """The wait Stripe asked for, if this was a refusal that named one."""
    if isinstance(event, RefundAnswered) and isinstance(event.outcome, Retry):
        return event.outcome.after_seconds
    return None
