"""One step of a payment, with everything that follows from it, in one transaction.

`apply` is the one compare-and-set that worker, webhook receiver and reconciler race to: it locks
the row, asks `domain.payment.step`, and writes the transition, its history and the events that
follow in the caller's transaction.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection

from runtime.adapters.store import dead_letters, orders, outside, payments, refunds
from runtime.adapters.store.payments import Cause, HistoryLine, PaymentRow
from runtime.domain import payment as machine
from runtime.domain.event import Json, NewEvent, payment_event
from runtime.domain.money import Money
from runtime.domain.names import EventType, PaymentState, Service
from runtime.domain.outside import (
    DISPUTE_LOST,
    REFUNDED_OUTSIDE,
    Ask,
    CancelOrder,
    End,
    next_move,
)
from runtime.domain.payment_events import (
    OUTCOME_EFFECTS,
    Effect,
    Event,
    NothingOwed,
    Refused,
    Step,
    Unchanged,
    Wait,
)
from runtime.domain.retry import PAYMENT_BACKOFF, UNKNOWN_BACKOFF
from runtime.steps.order import cancel_locked_order

BY_OTHERS = frozenset({REFUNDED_OUTSIDE, DISPUTE_LOST})
"""Causes of an end that was no refund of ours."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """The caller's lease is not the row's any more; its result is dropped."""


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such payment."""


Applied = Step | Unchanged | Refused | Fenced | Missing


def apply(
    conn: Connection,
    event_id: UUID,
    event: Event,
    cause: Cause,
    *,
    rng: random.Random,
    lease_token: UUID | None = None,
) -> Applied:
    """Put `event` through the machine and write what it decides.

    Args:
        lease_token: given by an attempt, whose result counts only while it holds the lease.

    Returns:
        The machine's verdict, `Fenced` when the lease is another's, `Missing` without a row.
    """
    row = payments.lock(conn, event_id)
    if row is None:
        return Missing()
    # Under the row's lock: between the look and the write nobody can take the lease.
    if lease_token is not None and row.lease_token != lease_token:
        return Fenced()
    return apply_locked(conn, row, event, cause, rng=rng)


def apply_locked(
    conn: Connection, row: PaymentRow, event: Event, cause: Cause, *, rng: random.Random
) -> Step | Unchanged | Refused:
    """The same for a row the caller has locked in this transaction."""
    verdict = machine.step(row.payment, event)
    match verdict:
        case Step():
            write_step(conn, row, verdict, cause, rng)
        # On record, so that the audit and a person see what was not believed.
        case Refused():
            state = row.payment.state
            line = HistoryLine("refused", state, state, cause, verdict.why)
            payments.record(conn, row.event_id, line)
        case Unchanged():
            pass
    return verdict


def describe(applied: Applied) -> str:
    """What an application came to, in a word or two for a log."""
    match applied:
        case Step():
            return applied.payment.state.value
        case Unchanged() | Refused():
            return f"{type(applied).__name__.lower()}: {applied.why}"
        case Fenced() | Missing():
            return type(applied).__name__.lower()


def write_step(
    conn: Connection, row: PaymentRow, step: Step, cause: Cause, rng: random.Random
) -> None:
    """Write a step of a locked row: the row, its history, and the events that follow.

    Raises:
        RuntimeError: the row moved though it is locked; the caller's transaction must not commit.
    """
    after = step.payment
    moved = payments.write(
        conn,
        row,
        after,
        wait_seconds=_wait_seconds(step, rng),
        history=_history(row, step, cause),
        events=_events(row, step, cause),
    )
    if moved != 1:
        raise RuntimeError(f"payment {row.event_id} moved under its own row lock")
    if Effect.EMIT_PARKED in step.effects:
        dead_letters.insert_event(
            conn,
            source=Service.WORKER,
            reason=after.failure_code or "parked",
            event_id=row.event_id,
        )
    elif row.payment.state is PaymentState.PARKED and after.state is not PaymentState.PARKED:
        # Whatever moved it on (an operator, a late webhook): nobody has to look any more.
        dead_letters.resolve_event(conn, source=Service.WORKER, event_id=row.event_id)
    if _may_have_moved_before(row, step):
        outside.check(conn, row.event_id)
    if _owes_something_new(row, step):
        settle_up(conn, row.event_id, cause, rng)


def _may_have_moved_before(row: PaymentRow, step: Step) -> bool:
    """Whether others may have given this success's money back before we heard of it."""
    came = step.payment.state in (PaymentState.SUCCEEDED, PaymentState.REFUNDING)
    late = row.payment.state is PaymentState.FAILED or row.payment.key.maybe_executed
    return came and late and row.payment.state is not PaymentState.SUCCEEDED


def _owes_something_new(row: PaymentRow, step: Step) -> bool:
    """Whether the sums have to be looked at: a refund is wanted, or others may have been first."""
    if Effect.REQUEST_REFUND in step.effects:
        return True
    # Nothing of others is known of a PaymentIntent that no row has named so far.
    known = row.payment.payment_intent_id is not None
    return known and step.payment.state is PaymentState.SUCCEEDED


def settle_up(conn: Connection, event_id: UUID, cause: Cause, rng: random.Random) -> bool:
    """Do what follows from all the money of a payment that has moved so far.

    Under the payment's lock, and after every change of the sums: a refund of ours that ended, one
    of others, a dispute. Whoever changes them last sees them all.

    Returns:
        Whether money is owed and nothing more happens by itself.
    """
    row = payments.lock(conn, event_id)
    if row is None:
        return False
    moved = outside.moved_of_one(conn, event_id)
    move = next_move(row.payment.state, moved)
    match move:
        case CancelOrder():
            # Its OrderCancelled comes back to this payment, as a customer's does.
            order = orders.lock_order(conn, row.order_id)
            if order is not None:
                cancel_locked_order(
                    conn, order, row.event_id, cause=cause.who, reason=REFUNDED_OUTSIDE
                )
        case Ask(n, amount_cents) if row.payment.payment_intent_id is not None:
            asked = Money(amount_cents, row.money.currency)
            refunds.request(conn, row.event_id, n, row.payment.payment_intent_id, asked)
        case End(by, reference):
            apply_locked(conn, row, NothingOwed(), Cause(by, reference), rng=rng)
        case _:
            pass
    refunds.wake(conn, event_id)
    return move is None and moved.is_stuck


def _wait_seconds(step: Step, rng: random.Random) -> float:
    failures = step.payment.key.transient_failures
    match step.wait:
        case Wait.NOW:
            return 0.0
        case Wait.BACK_OFF:
            # Never sooner than Stripe asked for, never all at once: the jitter is in the delay.
            return max(PAYMENT_BACKOFF.delay_seconds(failures, rng), step.wait_seconds_min)
        case Wait.BACK_OFF_UNKNOWN:
            return max(UNKNOWN_BACKOFF.delay_seconds(failures, rng), step.wait_seconds_min)


def _history(row: PaymentRow, step: Step, cause: Cause) -> list[HistoryLine]:
    """What a step adds to its payment's history."""
    before, after = row.payment.state, step.payment
    if OUTCOME_EFFECTS & set(step.effects):
        kind = "outcome"
    elif Effect.RECORD_LATE_SUCCESS in step.effects:
        kind = "late_success"
    else:
        kind = "transition"
    if step.via is None:
        return [HistoryLine(kind, before, after.state, cause, after.failure_code)]
    # Two lines of history for one write: no row was ever in `via`, but who audits the history
    # finds no jump that the table of transitions does not have.
    return [
        HistoryLine(kind, before, step.via, cause),
        HistoryLine("transition", step.via, after.state, cause),
    ]


def _events(row: PaymentRow, step: Step, cause: Cause) -> list[NewEvent]:
    """The outbox events of a step, in the order of its effects."""
    return [event for effect in step.effects for event in _event_of(effect, row, step, cause)]


def _event_of(effect: Effect, row: PaymentRow, step: Step, cause: Cause) -> list[NewEvent]:
    after = step.payment
    extra: Mapping[str, Json]
    n = None
    match effect:
        case Effect.EMIT_COMPLETED:
            event_type = EventType.PAYMENT_COMPLETED
            extra = {"payment_intent_id": after.payment_intent_id}
        case Effect.EMIT_FAILED:
            event_type = EventType.PAYMENT_FAILED
            extra = {
                "reason": after.failure_code,
                "failure_code": after.failure_code,
                "payment_intent_id": after.payment_intent_id,
            }
        case Effect.EMIT_PARKED:
            event_type = EventType.PAYMENT_PARKED
            # A payment can be parked again after a redrive; its other events happen once.
            n = row.started_attempts
            extra = {
                "reason": after.failure_code,
                "attempts": row.started_attempts,
                "original_payload": _original_payload(row),
            }
        case Effect.EMIT_REFUNDED:
            event_type = EventType.PAYMENT_REFUNDED
            # A refund reports under its own id, so the cause is the refund. One of others has
            # Stripe's id, and so has a dispute.
            by = cause.who if cause.who in BY_OTHERS else None
            extra = {"refund_id": cause.reference, "by": by}
        case Effect.REQUEST_REFUND | Effect.RECORD_LATE_SUCCESS | Effect.ALERT:
            return []
    # Of the row, not of the event that caused it: what leaves here is what the order asked for.
    event = payment_event(
        event_type,
        root=row.event_id,
        order_id=row.order_id,
        tenant_id=row.tenant_id,
        money=row.money,
        at=row.read_at,
        extra=extra,
        n=n,
    )
    return [event]


def _original_payload(row: PaymentRow) -> Mapping[str, Json]:
    """OrderPlaced as this payment knows it, enough to redrive it by hand."""
    return {
        "event_id": str(row.event_id),
        "order_id": row.order_id,
        "amount_cents": row.money.amount_cents,
        "currency": row.money.currency,
        "payment_method": row.payment_method,
    }
