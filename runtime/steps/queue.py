"""The durable inbox and the leases: how a record becomes a payment and a payment an attempt.

The inbox empties the topic into rows in one transaction per batch, so nothing that happens to a
payment later can block a partition. A claim gives one worker a lease with a fresh token; whoever
lost the lease can still answer, but the token fences the answer off.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import Connection

from runtime.adapters.store import payments
from runtime.adapters.store.payments import Cause, PaymentRow
from runtime.domain import payment as machine
from runtime.domain.event import ReceivedEvent, Record
from runtime.domain.names import PaymentState
from runtime.domain.payment_events import Claimed, LeaseLost, OrderCancelled, Step
from runtime.domain.retry import KEY_AGE_SECONDS_MAX


@dataclass(frozen=True, slots=True)
class Placed:
    """An OrderPlaced record, parsed, with where it came from.

    Attributes:
        occurred_at: environment clock, from the payload; a hand-written event may have none.
        written_at: wall clock, when its outbox row was written.
    """

    event: ReceivedEvent
    payment_method: str | None
    traceparent: str | None
    occurred_at: datetime | None
    written_at: datetime | None
    record: Record


@dataclass(frozen=True, slots=True)
class Lease:
    """Whose attempts these are: a name that survives restarts and an incarnation that does not."""

    owner: str
    incarnation: UUID
    seconds: float


@dataclass(frozen=True, slots=True)
class Inserted:
    """What became of a batch of OrderPlaced records."""

    new: tuple[UUID, ...]
    known: tuple[UUID, ...]
    other_event_for_order: tuple[Placed, ...]


_INSERT: Final = """
    WITH placed AS (
        INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency,
            payment_method, source_topic, source_partition, source_offset, traceparent,
            state, maybe_executed, needs_reconcile, first_attempted_at, next_attempt_at)
        SELECT event_id, order_id, tenant_id, amount_cents, currency, payment_method, topic,
            partition, "offset", traceparent,
            CASE WHEN old THEN 'unknown' ELSE 'pending' END, old, old,
            CASE WHEN old THEN coalesce(occurred_at, written_at) END, environment_now()
        FROM (SELECT *, coalesce(
                  occurred_at < environment_now() - make_interval(secs => %s),
                  written_at < clock_timestamp() - make_interval(secs => %s), false) AS old
              FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::text[],
                  %s::text[], %s::text[], %s::int[], %s::bigint[], %s::text[], %s::timestamptz[],
                  %s::timestamptz[])
              AS record (event_id, order_id, tenant_id, amount_cents, currency, payment_method,
                  topic, partition, "offset", traceparent, occurred_at, written_at)) AS records
        ON CONFLICT DO NOTHING
        RETURNING event_id, state),
    recorded AS (
        INSERT INTO payment_events (event_id, kind, from_state, to_state, cause)
        SELECT event_id, 'transition', NULL, state, 'OrderPlaced' FROM placed)
    SELECT event_id FROM placed
"""


def insert_placed(conn: Connection, placed: Sequence[Placed]) -> Inserted:
    """Insert payments for OrderPlaced records; duplicates are told apart, not errors.

    A record older than the life of an idempotency key may have been charged by a ledger that was
    lost since: it enters as `unknown` and Stripe is asked before anything is posted.
    """
    columns = zip(
        *(
            (
                item.event.root,
                item.event.order_id,
                item.event.tenant_id,
                item.event.money.amount_cents,
                item.event.money.currency,
                item.payment_method,
                item.record.topic,
                item.record.partition,
                item.record.offset,
                item.traceparent,
                item.occurred_at,
                item.written_at,
            )
            for item in placed
        ),
        strict=True,
    )
    values = [KEY_AGE_SECONDS_MAX, KEY_AGE_SECONDS_MAX, *(list(column) for column in columns)]
    new = {row[0] for row in conn.execute(_INSERT, values)}
    rest = [item for item in placed if item.event.root not in new]
    if not rest:
        return Inserted(tuple(new), (), ())
    known = {
        row[0]
        for row in conn.execute(
            "SELECT event_id FROM payments WHERE event_id = ANY (%s)",
            ([item.event.root for item in rest],),
        )
    }
    return Inserted(
        tuple(new),
        tuple(known),
        tuple(item for item in rest if item.event.root not in known),
    )


def cancel(conn: Connection, event: ReceivedEvent, cause: Cause, rng: random.Random) -> str:
    """Tell the payment that its order is cancelled; without one, leave a tombstone.

    Returns:
        A word for the log: what the cancellation came to.
    """
    applied = payments.apply(conn, event.root, OrderCancelled(), cause, rng=rng)
    if not isinstance(applied, payments.Missing):
        return payments.said(applied)
    row = conn.execute(
        "INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state)"
        " VALUES (%s, %s, %s, %s, %s, 'pending') ON CONFLICT DO NOTHING RETURNING event_id",
        (
            event.root,
            event.order_id,
            event.tenant_id,
            event.money.amount_cents,
            event.money.currency,
        ),
    ).fetchone()
    if row is None:
        return "another event holds this order"
    tombstone = payments.lock(conn, event.root)
    if tombstone is None:
        raise RuntimeError(f"payment {event.root} vanished in the transaction that inserted it")
    payments.write(conn, tombstone, machine.tombstone(), cause, rng)
    return "tombstone"


def give_up_leases(
    conn: Connection,
    lease: Lease,
    rng: random.Random,
    *,
    limit: int,
    orphans: Sequence[UUID] = (),
) -> int:
    """End the attempts whose lease ran out, or that an earlier life of this worker left behind.

    Args:
        orphans: tokens of leases that this worker took and knows nobody works on.

    Returns:
        How many payments are free to be claimed again.
    """
    lost = payments.select(
        conn,
        "state = 'charging' AND (lease_until < environment_now() OR"
        " (lease_owner = %(owner)s AND lease_incarnation <> %(incarnation)s) OR"
        " lease_token = ANY (%(orphans)s))"
        " ORDER BY lease_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
        {
            "owner": lease.owner,
            "incarnation": lease.incarnation,
            "orphans": list(orphans),
            "limit": limit,
        },
    )
    for row in lost:
        step = machine.step(row.payment, LeaseLost())
        if isinstance(step, Step):
            cause = Cause("lease_lost", str(row.lease_token))
            payments.write(conn, row, step, cause, rng)
    return len(lost)


_CLAIM: Final = """
    WITH claimed AS (
        UPDATE payments SET state = 'charging', started_attempts = started_attempts + 1,
            first_attempted_at = coalesce(first_attempted_at, environment_now()),
            last_attempted_at = environment_now(), lease_owner = %(owner)s,
            lease_incarnation = %(incarnation)s, lease_token = gen_random_uuid(),
            lease_until = environment_now() + make_interval(secs => %(seconds)s),
            updated_at = clock_timestamp()
        WHERE event_id = ANY (%(event_ids)s) RETURNING event_id, lease_token),
    recorded AS (
        INSERT INTO payment_events (event_id, kind, from_state, to_state, cause, cause_id)
        SELECT claimed.event_id, 'transition', before.state, 'charging', %(owner)s,
               claimed.lease_token::text
        FROM claimed JOIN unnest(%(event_ids)s, %(states)s::text[]) AS before (event_id, state)
             USING (event_id))
    SELECT event_id, lease_token FROM claimed
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A payment this worker may send now, under this token."""

    row: PaymentRow
    token: UUID


def claim_due(conn: Connection, lease: Lease, rng: random.Random, *, limit: int) -> list[Claim]:
    """Lease the payments that are due, oldest first; rows others hold are skipped."""
    due = payments.select(
        conn,
        "state IN ('pending', 'unknown') AND NOT needs_reconcile"
        " AND next_attempt_at <= environment_now()"
        " ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
        {"limit": limit},
    )
    return _lease(conn, due, lease, rng)


def claim_inserted(
    conn: Connection, event_ids: Sequence[UUID], lease: Lease, rng: random.Random
) -> list[Claim]:
    """Lease payments in the very transaction that inserts them: the fast path of a new order."""
    due = payments.select(
        conn,
        "event_id = ANY (%(event_ids)s) AND state = 'pending' FOR UPDATE",
        {"event_ids": list(event_ids)},
    )
    return _lease(conn, due, lease, rng)


def _lease(
    conn: Connection, due: Sequence[PaymentRow], lease: Lease, rng: random.Random
) -> list[Claim]:
    """Put locked rows through the machine and lease those that may be sent."""
    sendable: dict[UUID, PaymentRow] = {}
    for row in due:
        step = machine.step(row.payment, Claimed(row.key_age_seconds))
        if isinstance(step, Step) and step.payment.state is PaymentState.CHARGING:
            sendable[row.event_id] = row
        elif isinstance(step, Step):
            payments.write(conn, row, step, Cause("claim"), rng)
    if not sendable:
        return []
    tokens = conn.execute(
        _CLAIM,
        {
            "owner": lease.owner,
            "incarnation": lease.incarnation,
            "seconds": lease.seconds,
            "event_ids": list(sendable),
            "states": [row.payment.state for row in sendable.values()],
        },
    ).fetchall()
    return [Claim(sendable[event_id], token) for event_id, token in tokens]
