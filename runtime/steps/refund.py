"""One step of a refund with what it means for its payment, in one transaction.

Worker, webhook receiver and reconciler all report through `apply`, as they do for charges through
`payment.apply`; claims and lost leases go through the same machine.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection

from runtime.adapters.store import refunds
from runtime.adapters.store.payments import Cause
from runtime.adapters.store.refunds import RefundRow
from runtime.domain.lease import Lease
from runtime.domain.names import RefundId, RefundState
from runtime.domain.outcome import Retry
from runtime.domain.payment_events import RefundFailed, RefundSucceeded
from runtime.domain.refund import (
    Refund,
    RefundAnswered,
    RefundClaimed,
    RefundEvent,
    RefundLeaseLost,
    next_refund,
)
from runtime.domain.retry import PAYMENT_BACKOFF, UNKNOWN_BACKOFF
from runtime.steps import payment


@dataclass(frozen=True, slots=True)
class Moved:
    """The refund as it is now; `changed` tells whether this event made it so."""

    refund: Refund
    changed: bool


@dataclass(frozen=True, slots=True)
class RefundClaim:
    """A refund this worker may send now, under this token."""

    row: RefundRow
    token: UUID


def claim_due(
    conn: Connection, lease: Lease, rng: random.Random, *, limit: int
) -> list[RefundClaim]:
    """Lease the refunds that are due, oldest first; a sender that died leaves its refund unknown.

    Rows that others hold are skipped.
    """
    # First, so that what is given up is due in this very round.
    for row in refunds.lock_lost(conn, lease, limit=limit):
        apply_locked(conn, row, RefundLeaseLost(), lease.owner, rng=rng)
    sendable: dict[RefundId, RefundRow] = {}
    for row in refunds.lock_due(conn, limit=limit):
        claimed = next_refund(row.refund, RefundClaimed(row.key_age_seconds))
        if claimed.state is RefundState.SENDING:
            sendable[row.refund_id] = row
        # Not sent and changed: its key may be pruned, and the reconciler asks Stripe first.
        elif claimed != row.refund:
            refunds.write(conn, row, claimed, wait_seconds=0.0)
    if not sendable:
        return []
    # All in one statement, which writes what the machine said of each: it is being sent.
    tokens = refunds.lease(conn, [*sendable.values()], lease)
    return [RefundClaim(sendable[refund_id], token) for refund_id, token in tokens.items()]


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
    # As for a charge; a late answer is told from a new one by its token alone.
    if row is None or (lease_token is not None and row.lease_token != lease_token):
        return None
    return apply_locked(conn, row, event, who, rng=rng)


def apply_locked(
    conn: Connection, row: RefundRow, event: RefundEvent, who: str, *, rng: random.Random
) -> Moved:
    """The same for a row the caller has locked in this transaction."""
    after = next_refund(row.refund, event)
    # No write, no history, no longer wait: a repeated webhook costs a look.
    if after == row.refund:
        return Moved(after, changed=False)
    refunds.write(conn, row, after, wait_seconds=_wait_seconds(after, event, rng))
    if after.state is not row.refund.state:
        _report_to_payment(conn, row, after, Cause(who, str(row.refund_id)), rng)
    return Moved(after, changed=True)


def _report_to_payment(
    conn: Connection, row: RefundRow, after: Refund, cause: Cause, rng: random.Random
) -> None:
    """Let the payment follow an end of its refund; what is still open is no news to it."""
    if after.state is RefundState.SUCCEEDED:
        payment.apply(conn, row.event_id, RefundSucceeded(), cause, rng=rng)
    elif after.state is RefundState.FAILED:
        report = RefundFailed(after.failure_code or "refund_failed")
        payment.apply(conn, row.event_id, report, cause, rng=rng)


def _wait_seconds(after: Refund, event: RefundEvent, rng: random.Random) -> float:
    """When an open refund is looked at next: within seconds if it may have executed."""
    if isinstance(event, RefundLeaseLost):
        # The lease has been waited for already; the same key asks and answers at once.
        return 0.0
    backoff = UNKNOWN_BACKOFF if after.key.maybe_executed else PAYMENT_BACKOFF
    delay = backoff.delay_seconds(after.key.transient_failures, rng)
    asked_for = 0.0
    if isinstance(event, RefundAnswered) and isinstance(event.outcome, Retry):
        asked_for = event.outcome.after_seconds or 0.0
    return max(delay, asked_for)
