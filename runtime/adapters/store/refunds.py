"""Refunds: a row first, then the call; one row and one key per attempt to give money back."""

from __future__ import annotations

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
    derive_event_id,
)


@dataclass(frozen=True, slots=True)
class RefundClaim:
    """A refund this worker may send now, under this token."""

    refund_id: RefundId
    event_id: EventId
    order_id: OrderId
    idempotency_key: str
    payment_intent_id: PaymentIntentId
    amount_cents: int
    token: UUID
    attempts: int


def request_first(
    conn: Connection, event_id: EventId, payment_intent_id: PaymentIntentId, money: Money
) -> None:
    """Write the refund with n = 1; asked twice, it is there once.

    Its key is the OrderCancelled event's id, which is derived from the root, so that whoever asks
    first and whoever asks again mean the same refund.
    """
    key = derive_event_id(event_id, EventType.ORDER_CANCELLED)
    conn.execute(
        "INSERT INTO refunds (refund_id, event_id, n, idempotency_key, payment_intent_id,"
        " amount_cents, currency, next_attempt_at)"
        " VALUES (%s, %s, 1, %s, %s, %s, %s, environment_now()) ON CONFLICT DO NOTHING",
        (
            uuid5(event_id, "Refund:1"),
            event_id,
            str(key),
            payment_intent_id,
            money.amount_cents,
            money.currency,
        ),
    )


_CLAIM: Final = """
    UPDATE refunds SET state = 'sending', attempts = attempts + 1, lease_owner = %(owner)s,
        lease_incarnation = %(incarnation)s, lease_token = gen_random_uuid(),
        lease_until = environment_now() + make_interval(secs => %(seconds)s),
        first_attempted_at = coalesce(first_attempted_at, environment_now()),
        updated_at = clock_timestamp()
    WHERE refund_id IN (
        SELECT refund_id FROM refunds
        WHERE (state IN ('pending', 'unknown') AND next_attempt_at <= environment_now())
           OR (state = 'sending' AND (lease_until < environment_now()
               OR (lease_owner = %(owner)s AND lease_incarnation <> %(incarnation)s)))
        ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING refund_id, event_id, (SELECT order_id FROM payments
        WHERE payments.event_id = refunds.event_id), idempotency_key, payment_intent_id,
        amount_cents, lease_token, attempts
"""


def claim_due(
    conn: Connection, *, owner: str, incarnation: UUID, seconds: float, limit: int
) -> list[RefundClaim]:
    """Lease the refunds that are due, including those whose sender died."""
    rows = conn.execute(
        _CLAIM, {"owner": owner, "incarnation": incarnation, "seconds": seconds, "limit": limit}
    ).fetchall()
    return [RefundClaim(*row) for row in rows]


def finish(
    conn: Connection,
    refund_id: UUID,
    token: UUID,
    *,
    state: str,
    stripe_refund_id: str | None,
    failure_code: str | None,
    wait_seconds: float,
) -> bool:
    """Write what the call came to; False when the lease is another's and nothing was written."""
    updated = conn.execute(
        "UPDATE refunds SET state = %s, stripe_refund_id = coalesce(%s, stripe_refund_id),"
        " failure_code = %s, next_attempt_at = environment_now() + make_interval(secs => %s),"
        " lease_owner = NULL, lease_incarnation = NULL, lease_token = NULL, lease_until = NULL,"
        " updated_at = clock_timestamp() WHERE refund_id = %s AND lease_token = %s",
        (state, stripe_refund_id, failure_code, wait_seconds, refund_id, token),
    )
    return updated.rowcount == 1


def close_by_stripe_id(
    conn: Connection,
    stripe_refund_id: str,
    *,
    refund_id: UUID | None,
    state: str,
    failure_code: str | None,
) -> tuple[EventId, RefundId] | None:
    """Settle a refund that a webhook reports on; None when it is not ours, or says nothing new.

    Found by Stripe's id, or by our own in the refund's metadata when the call's answer was lost.
    A success can become a failure at Stripe, weeks later; a failure never becomes a success, so a
    late `succeeded` for a failed refund is the older news.
    """
    row = conn.execute(
        "UPDATE refunds SET state = %(state)s, failure_code = %(code)s,"
        " stripe_refund_id = %(stripe_id)s, lease_owner = NULL,"
        " lease_incarnation = NULL, lease_token = NULL, lease_until = NULL,"
        " updated_at = clock_timestamp()"
        " WHERE (stripe_refund_id = %(stripe_id)s"
        "        OR (stripe_refund_id IS NULL AND refund_id = %(refund_id)s))"
        " AND state <> 'failed' AND NOT (state = 'succeeded' AND %(state)s = 'succeeded')"
        " RETURNING event_id, refund_id",
        {
            "state": state,
            "code": failure_code,
            "stripe_id": stripe_refund_id,
            "refund_id": refund_id,
        },
    ).fetchone()
    return (EventId(row[0]), RefundId(row[1])) if row else None


def is_known(conn: Connection, stripe_refund_id: str, refund_id: UUID | None) -> bool:
    """Whether a refund of ours has this id of Stripe's, or this one of our own."""
    row = conn.execute(
        "SELECT 1 FROM refunds WHERE stripe_refund_id = %s OR refund_id = %s",
        (stripe_refund_id, refund_id),
    ).fetchone()
    return row is not None
