"""The durable inbox and the leases: how a record becomes a payment and a payment an attempt.

The inbox empties the topic into rows in one transaction per batch, so nothing that happens to a
payment later can block a partition. A claim gives one worker a lease with a fresh token; whoever
lost the lease can still answer, but the token fences the answer off.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection

from runtime.adapters.store import inbox, payments
from runtime.adapters.store.inbox import NewPayment
from runtime.adapters.store.payments import Cause, PaymentRow
from runtime.domain import payment as machine
from runtime.domain.event import ReceivedEvent
from runtime.domain.lease import Lease
from runtime.domain.names import PaymentState
from runtime.domain.payment_events import Claimed, LeaseLost, OrderCancelled, Step
from runtime.steps import payment


@dataclass(frozen=True, slots=True)
class Inserted:
    """What became of a batch of OrderPlaced records; `new` are locked, as whatever we wrote is."""

    new: tuple[PaymentRow, ...]
    known: tuple[UUID, ...]
    other_event_for_order: tuple[NewPayment, ...]


def insert_placed(conn: Connection, placed: Sequence[NewPayment]) -> Inserted:
    """Insert payments for OrderPlaced records; duplicates are told apart, not errors."""
    new = inbox.insert_placed(conn, placed)
    inserted = {row.event_id for row in new}
    rest = [item for item in placed if item.event.root not in inserted]
    # What was not inserted met a row: its own, from an earlier reading, or its order's.
    known = inbox.known_of(conn, [item.event.root for item in rest]) if rest else set()
    return Inserted(
        tuple(new),
        tuple(known),
        tuple(item for item in rest if item.event.root not in known),
    )


@dataclass(frozen=True, slots=True)
class OtherOrder:
    """A cancellation that names a payment of ours and another order, or other money than its."""

    reason: str


def cancel(
    conn: Connection, event: ReceivedEvent, cause: Cause, rng: random.Random
) -> str | OtherOrder:
    """Tell the payment that its order is cancelled; without one, leave a tombstone.

    Returns:
        A word for the log: what the cancellation came to. `OtherOrder` when it changed nothing.
    """
    row = payments.lock(conn, event.root)
    if row is not None:
        # Money would go back on the word of an event that has another order in mind.
        if row.order_id != event.order_id:
            return OtherOrder("order_mismatch")
        if row.money != event.money:
            return OtherOrder("amount_mismatch")
        applied = payment.apply_locked(conn, row, OrderCancelled(), cause, rng=rng)
        return payment.describe(applied)
    # The cancellation is on another topic than the order and has overtaken it. The row that it
    # leaves is what the order will find, so that nothing is ever sent for it.
    if not inbox.insert_unplaced(conn, event):
        return "another event holds this order"
    tombstone = payments.lock(conn, event.root)
    if tombstone is None:
        raise RuntimeError(f"payment {event.root} vanished in the transaction that inserted it")
    payment.write_step(conn, tombstone, machine.tombstone(), cause, rng)
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
    lost = payments.lock_lost(conn, lease, orphans=orphans, limit=limit)
    for row in lost:
        step = machine.step(row.payment, LeaseLost())
        # Only a payment under way loses a lease, and the query found nothing else; the machine
        # still has the word.
        if isinstance(step, Step):
            cause = Cause("lease_lost", str(row.lease_token))
            payment.write_step(conn, row, step, cause, rng)
    return len(lost)


@dataclass(frozen=True, slots=True)
class PaymentClaim:
    """A payment this worker may send now, under this token."""

    row: PaymentRow
    token: UUID


def claim_due(
    conn: Connection, lease: Lease, rng: random.Random, *, limit: int
) -> list[PaymentClaim]:
    """Lease the payments that are due, oldest first; rows others hold are skipped."""
    return _claim(conn, payments.lock_due(conn, limit=limit), lease, rng)


def claim_inserted(
    conn: Connection, rows: Sequence[PaymentRow], lease: Lease, rng: random.Random
) -> list[PaymentClaim]:
    """Lease payments in the very transaction that inserts them: the fast path of a new order.

    Args:
        rows: as they are now; what waits for Stripe to be asked is left alone.
    """
    due = [row for row in rows if row.payment.state is PaymentState.PENDING]
    return _claim(conn, due, lease, rng)


def _claim(
    conn: Connection, due: Sequence[PaymentRow], lease: Lease, rng: random.Random
) -> list[PaymentClaim]:
    """Put locked rows through the machine and lease those that may be sent."""
    sendable: dict[UUID, PaymentRow] = {}
    for row in due:
        step = machine.step(row.payment, Claimed(row.key_age_seconds))
        if isinstance(step, Step) and step.payment.state is PaymentState.CHARGING:
            sendable[row.event_id] = row
        elif isinstance(step, Step):
            # Too old, or a killer of workers: Stripe is asked before it is sent again.
            payment.write_step(conn, row, step, Cause("claim"), rng)
    if not sendable:
        return []
    # All in one statement, which writes what the machine said of each: charging, one attempt more.
    tokens = payments.lease(conn, [*sendable.values()], lease)
    return [PaymentClaim(sendable[event_id], token) for event_id, token in tokens.items()]
