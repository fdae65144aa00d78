"""Refunds: a row first, then the call; one row and one key per attempt to give money back."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from psycopg import Connection

from runtime.domain.money import Money
from runtime.domain.names import (
    EventId,
    EventType,
    OrderId,
    PaymentIntentId,
    RefundId,
    RefundState,
    derive_event_id,
)
from runtime.domain.refund import Refund, may_be_sent
from runtime.domain.retry import PAYMENT_BACKOFF, UNKNOWN_BACKOFF


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A refunds row: what it gives back, and the part decisions depend on.

    Attributes:
        key_age_seconds: on the environment clock, since the first call that may have executed.
        attempt_age_seconds: on the environment clock, since the last call; None before it.
        quiet_seconds: by wall clock, since anything was written.
    """

    refund_id: RefundId
    event_id: EventId
    order_id: OrderId
    n: int
    idempotency_key: str
    payment_intent_id: PaymentIntentId
    money: Money
    refund: Refund
    lease_token: UUID | None
    key_age_seconds: float | None
    attempt_age_seconds: float | None
    quiet_seconds: float


@dataclass(frozen=True, slots=True)
class RefundClaim:
    """A refund this worker may send now, under this token."""

    row: RefundRow
    token: UUID


_COLUMNS: Final = """
    refund_id, event_id, (SELECT order_id FROM payments WHERE payments.event_id = refunds.event_id),
    n, idempotency_key, payment_intent_id, amount_cents, currency, state, stripe_refund_id,
    maybe_executed, saved_failure, needs_reconcile, transient_failures, failure_code, lease_token,
    extract(epoch FROM environment_now() - first_attempted_at)::float8,
    extract(epoch FROM environment_now() - last_attempted_at)::float8,
    extract(epoch FROM clock_timestamp() - updated_at)::float8
"""


def _to_row(row: Sequence[object]) -> RefundRow:
    values: tuple = tuple(row)  # type: ignore[type-arg]
    return RefundRow(
        refund_id=RefundId(values[0]),
        event_id=EventId(values[1]),
        order_id=OrderId(values[2]),
        n=values[3],
        idempotency_key=values[4],
        payment_intent_id=PaymentIntentId(values[5]),
        money=Money(values[6], values[7]),
        refund=Refund(RefundState(values[8]), *values[9:15]),
        lease_token=values[15],
        key_age_seconds=values[16],
        attempt_age_seconds=values[17],
        quiet_seconds=values[18],
    )


def _select(conn: Connection, where: str, values: Mapping[str, object]) -> list[RefundRow]:
    """Rows matching a condition written at the call; `where` is code, never input."""
    query = f"SELECT {_COLUMNS} FROM refunds WHERE {where}"  # noqa: S608 - see above
    return [_to_row(row) for row in conn.execute(query, values).fetchall()]


# --- asking for one -------------------------------------------------------------------------


def request_first(
    conn: Connection, event_id: EventId, payment_intent_id: PaymentIntentId, money: Money
) -> None:
    """Write the refund with n = 1; asked twice, it is there once.

    Its key is the OrderCancelled event's id, which is derived from the root, so that whoever asks
    first and whoever asks again mean the same refund.
    """
    key = derive_event_id(event_id, EventType.ORDER_CANCELLED)
    _insert(conn, event_id, 1, str(key), payment_intent_id, money)


def request_next(conn: Connection, failed: RefundRow) -> RefundId:
    """Write the refund after one that failed; its key is its own id, never the failed one's."""
    n = failed.n + 1
    refund_id = _refund_id(failed.event_id, n)
    _insert(conn, failed.event_id, n, str(refund_id), failed.payment_intent_id, failed.money)
    return refund_id


def _refund_id(event_id: EventId, n: int) -> RefundId:
    return RefundId(uuid5(event_id, f"Refund:{n}"))


def _insert(
    conn: Connection,
    event_id: EventId,
    n: int,
    key: str,
    payment_intent_id: PaymentIntentId,
    money: Money,
) -> None:
    conn.execute(
        "INSERT INTO refunds (refund_id, event_id, n, idempotency_key, payment_intent_id,"
        " amount_cents, currency, next_attempt_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, environment_now()) ON CONFLICT DO NOTHING",
        (
            _refund_id(event_id, n),
            event_id,
            n,
            key,
            payment_intent_id,
            money.amount_cents,
            money.currency,
        ),
    )


# --- reading --------------------------------------------------------------------------------


def lock(conn: Connection, refund_id: UUID) -> RefundRow | None:
    """Read one refund and hold its row until the transaction ends."""
    found = _select(conn, "refund_id = %(refund_id)s FOR UPDATE", {"refund_id": refund_id})
    return found[0] if found else None


def lock_last(conn: Connection, event_id: UUID) -> RefundRow | None:
    """The newest refund of a payment, locked."""
    found = _select(
        conn,
        "event_id = %(event_id)s ORDER BY n DESC LIMIT 1 FOR UPDATE",
        {"event_id": event_id},
    )
    return found[0] if found else None


def lock_by_stripe_id(
    conn: Connection, stripe_refund_id: str, refund_id: UUID | None
) -> RefundRow | None:
    """The refund with Stripe's id, or with our own from its metadata when the id is not known."""
    found = _select(
        conn,
        "stripe_refund_id = %(stripe_id)s"
        " OR (stripe_refund_id IS NULL AND refund_id = %(refund_id)s) FOR UPDATE",
        {"stripe_id": stripe_refund_id, "refund_id": refund_id},
    )
    return found[0] if found else None


# --- sending --------------------------------------------------------------------------------

_GIVE_UP: Final = """
    UPDATE refunds SET state = 'unknown', maybe_executed = true, lease_owner = NULL,
        lease_incarnation = NULL, lease_token = NULL, lease_until = NULL,
        updated_at = clock_timestamp()
    WHERE refund_id IN (
        SELECT refund_id FROM refunds
        WHERE state = 'sending' AND (lease_until < environment_now()
              OR (lease_owner = %(owner)s AND lease_incarnation <> %(incarnation)s))
        ORDER BY lease_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""

_CLAIM: Final = """
    UPDATE refunds SET state = 'sending', attempts = attempts + 1, lease_owner = %(owner)s,
        lease_incarnation = %(incarnation)s, lease_token = gen_random_uuid(),
        lease_until = environment_now() + make_interval(secs => %(seconds)s),
        first_attempted_at = coalesce(first_attempted_at, environment_now()),
        last_attempted_at = environment_now(), updated_at = clock_timestamp()
    WHERE refund_id = ANY (%(refund_ids)s) RETURNING refund_id, lease_token
"""


def claim_due(
    conn: Connection, *, owner: str, incarnation: UUID, seconds: float, limit: int
) -> list[RefundClaim]:
    """Lease the refunds that are due; a sender that died leaves its refund unknown."""
    lease = {"owner": owner, "incarnation": incarnation, "seconds": seconds, "limit": limit}
    conn.execute(_GIVE_UP, lease)
    due = _select(
        conn,
        "state IN ('pending', 'unknown') AND NOT needs_reconcile"
        " AND next_attempt_at <= environment_now()"
        " ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
        lease,
    )
    sendable = {row.refund_id: row for row in due if may_be_sent(row.refund, row.key_age_seconds)}
    too_old = [row.refund_id for row in due if row.refund_id not in sendable]
    if too_old:
        # Stripe may have pruned the key, and a pruned key would give the money back again.
        conn.execute(
            "UPDATE refunds SET needs_reconcile = true, updated_at = clock_timestamp()"
            " WHERE refund_id = ANY (%s)",
            (too_old,),
        )
    if not sendable:
        return []
    tokens = conn.execute(_CLAIM, {**lease, "refund_ids": list(sendable)}).fetchall()
    return [RefundClaim(sendable[refund_id], token) for refund_id, token in tokens]


# --- what came of it ------------------------------------------------------------------------

_WRITE: Final = """
    UPDATE refunds SET state = %(state)s, stripe_refund_id = %(stripe_refund_id)s,
        maybe_executed = %(maybe_executed)s, saved_failure = %(saved_failure)s,
        needs_reconcile = %(needs_reconcile)s, transient_failures = %(transient_failures)s,
        failure_code = %(failure_code)s,
        first_attempted_at = CASE WHEN %(state)s = 'pending' THEN NULL ELSE first_attempted_at END,
        next_attempt_at = environment_now() + make_interval(secs => %(wait)s),
        lease_owner = NULL, lease_incarnation = NULL, lease_token = NULL, lease_until = NULL,
        updated_at = clock_timestamp()
    WHERE refund_id = %(refund_id)s
"""


def write(conn: Connection, row: RefundRow, after: Refund, wait_seconds: float) -> None:
    """Write what a refund, locked by the caller, has become; any lease on it ends."""
    conn.execute(
        _WRITE,
        {
            "refund_id": row.refund_id,
            "state": after.state,
            "stripe_refund_id": after.stripe_refund_id,
            "maybe_executed": after.maybe_executed,
            "saved_failure": after.saved_failure,
            "needs_reconcile": after.needs_reconcile,
            "transient_failures": after.transient_failures,
            "failure_code": after.failure_code,
            "wait": wait_seconds,
        },
    )


def wait_seconds(after: Refund, retry_after_seconds: float | None, rng: random.Random) -> float:
    """When an open refund is looked at next: soon if it may have executed, politely if not."""
    backoff = UNKNOWN_BACKOFF if after.maybe_executed else PAYMENT_BACKOFF
    delay = backoff.delay_seconds(after.transient_failures, rng)
    return max(delay, retry_after_seconds or 0.0)


# --- asking Stripe --------------------------------------------------------------------------


def claim_unanswered(
    conn: Connection, *, window_seconds: float, hold_seconds: float, limit: int
) -> list[RefundRow]:
    """Refunds Stripe has to be asked about: unknown ones, and those open for too long.

    The claim pushes next_attempt_at ahead, so that no lock is held while Stripe is asked.
    """
    found = _select(
        conn,
        "next_attempt_at <= environment_now() AND ((state = 'unknown' AND needs_reconcile)"
        " OR (state = 'processing' AND coalesce(last_attempted_at, created_at)"
        "     < environment_now() - make_interval(secs => %(window)s)))"
        " ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
        {"window": window_seconds, "limit": limit},
    )
    for row in found:
        look_again_in(conn, row, hold_seconds)
    return found


def look_again_in(conn: Connection, row: RefundRow, seconds: float) -> None:
    """Set when a refund that stays as it is comes up next."""
    conn.execute(
        "UPDATE refunds SET next_attempt_at = environment_now() + make_interval(secs => %s)"
        " WHERE refund_id = %s AND state = %s",
        (seconds, row.refund_id, row.refund.state),
    )
