"""One step of a refund with what it means for its payment, in one transaction.

Worker, webhook receiver and reconciler all report through `apply`, as they do for charges through
`payment.apply`; claims and lost leases go through the same machine.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from psycopg import Connection

from runtime.adapters.store import outside, refunds
from runtime.adapters.store.payments import Cause
from runtime.adapters.store.refunds import RefundRow
from runtime.domain.lease import Lease
from runtime.domain.money import Money
from runtime.domain.names import RefundId, RefundState
from runtime.domain.outcome import Retry
from runtime.domain.outside import Hold, MovedMoney, Send, before_sending
from runtime.domain.payment_events import RefundFailed, RefundSucceeded
from runtime.domain.refund import (
    NOTHING_OWED,
    OVERTAKEN,
    Refund,
    RefundAnswered,
    RefundClaimed,
    RefundEvent,
    RefundLeaseLost,
    RefundUnneeded,
    next_refund,
)
from runtime.domain.retry import PAYMENT_BACKOFF, UNKNOWN_BACKOFF
from runtime.steps import payment

DISPUTED_SECONDS: Final = 60.0
"""How soon a refund is looked at again whose charge is disputed; news of the dispute wakes it."""


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
    due = refunds.lock_due(conn, limit=limit)
    moved = outside.moved_of(conn, [row.event_id for row in due]) if due else {}
    for row in due:
        claimed = next_refund(row.refund, RefundClaimed(row.key_age_seconds))
        if claimed.state is RefundState.SENDING:
            wanted = _for_what_is_left(conn, row, moved[row.event_id], lease, rng)
            if wanted is not None:
                sendable[row.refund_id] = wanted
        # Not sent and changed: its key may be pruned, and the reconciler asks Stripe first.
        elif claimed != row.refund:
            refunds.write(conn, row, claimed, wait_seconds=0.0)
    if not sendable:
        return []
    # All in one statement, which writes what the machine said of each: it is being sent.
    tokens = refunds.lease(conn, [*sendable.values()], lease)
    return [RefundClaim(sendable[refund_id], token) for refund_id, token in tokens.items()]


def _for_what_is_left(
    conn: Connection, row: RefundRow, moved: MovedMoney, lease: Lease, rng: random.Random
) -> RefundRow | None:
    """The refund as it may be sent now; None when it may not, or need not."""
    # The same key with another amount is another request. Once one may have been executed, it is
    # repeated as it was, and Stripe refuses it if others were first.
    if row.refund.key.maybe_executed:
        return row
    match before_sending(moved, row.n):
        case Send(amount_cents):
            if amount_cents != row.money.amount_cents:
                refunds.set_amount(conn, row, amount_cents)
            return replace(row, money=Money(amount_cents, row.money.currency))
        case Hold.DISPUTED:
            refunds.look_again_in(conn, row, DISPUTED_SECONDS)
        case Hold.NOTHING_OWED:
            apply_locked(conn, row, RefundUnneeded(), lease.owner, rng=rng)
    return None


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
        payment.settle_up(conn, row.event_id, cause, rng)
    elif after.state is RefundState.FAILED:
        code = after.failure_code or "refund_failed"
        failed = code not in OVERTAKEN and code != NOTHING_OWED
        if failed:
            payment.apply(conn, row.event_id, RefundFailed(code), cause, rng=rng)
        stuck = payment.settle_up(conn, row.event_id, cause, rng)
        # What others were faster with has not failed, unless nothing shows that they were.
        if stuck and not failed:
            payment.apply(conn, row.event_id, RefundFailed(code), cause, rng=rng)


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
