"""The payments table: one row per order, moved only by the pure state machine.

`apply` is the one compare-and-set that worker, webhook receiver and reconciler race to: it locks
the row, asks `domain.payment.step`, and writes the transition, its history and the events that
follow in the caller's transaction. `payment_events` refuses a second outcome whatever happens.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import Connection

from runtime.adapters.store import dead_letters, outbox, refunds
from runtime.domain import payment as machine
from runtime.domain.event import Json, NewEvent, payment_event
from runtime.domain.money import Money
from runtime.domain.names import (
    EventId,
    EventType,
    OrderId,
    PaymentIntentId,
    PaymentState,
    Service,
    TenantId,
)
from runtime.domain.payment_events import (
    OUTCOME_EFFECTS,
    Effect,
    Event,
    Payment,
    Refused,
    Step,
    Unchanged,
    Wait,
)
from runtime.domain.retry import PAYMENT_BACKOFF, UNKNOWN_BACKOFF

_COLUMNS: Final = """
    event_id, order_id, tenant_id, amount_cents, currency, payment_method, state,
    payment_intent_id, cancel_requested_at IS NOT NULL, maybe_executed, saved_failure,
    needs_reconcile, started_attempts, finished_attempts, transient_failures, failure_code,
    lease_token, extract(epoch FROM environment_now() - first_attempted_at)::float8,
    extract(epoch FROM environment_now() - last_attempted_at)::float8,
    extract(epoch FROM environment_now() - created_at)::float8, clock_timestamp(),
    extract(epoch FROM clock_timestamp() - updated_at)::float8
"""


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payments row: who it is for, and the part the machine decides on.

    Attributes:
        key_age_seconds, attempt_age_seconds, age_seconds: on the environment clock, since the
            first attempt, the last one, and the row.
        quiet_seconds: by wall clock since anything was written: a drill that moves the environment
            clock does not end a request that is on its way.
    """

    event_id: EventId
    order_id: OrderId
    tenant_id: TenantId
    money: Money
    payment_method: str | None
    payment: Payment
    started_attempts: int
    lease_token: UUID | None
    key_age_seconds: float | None
    attempt_age_seconds: float | None
    age_seconds: float
    read_at: datetime
    quiet_seconds: float


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a transition happened: who saw what, and its id (a Stripe event, a request, a token)."""

    who: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Fenced:
    """The caller's lease is not the row's any more; its result is dropped."""


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such payment."""


Applied = Step | Unchanged | Refused | Fenced | Missing


def to_row(row: tuple[object, ...]) -> PaymentRow:
    """Build a PaymentRow from a row of `_COLUMNS`."""
    values: tuple = row  # type: ignore[type-arg]
    return PaymentRow(
        event_id=EventId(values[0]),
        order_id=OrderId(values[1]),
        tenant_id=TenantId(values[2]),
        money=Money(values[3], values[4]),
        payment_method=values[5],
        payment=Payment(
            state=PaymentState(values[6]),
            payment_intent_id=PaymentIntentId(values[7]) if values[7] else None,
            cancel_requested=values[8],
            maybe_executed=values[9],
            saved_failure=values[10],
            needs_reconcile=values[11],
            unfinished_attempts=values[12] - values[13],
            transient_failures=values[14],
            failure_code=values[15],
        ),
        started_attempts=values[12],
        lease_token=values[16],
        key_age_seconds=values[17],
        attempt_age_seconds=values[18],
        age_seconds=values[19],
        read_at=values[20],
        quiet_seconds=values[21],
    )


def select(conn: Connection, where: str, values: Mapping[str, object]) -> list[PaymentRow]:
    """Rows matching a condition written at the call; `where` is code, never input."""
    query = f"SELECT {_COLUMNS} FROM payments WHERE {where}"  # noqa: S608 - see above
    rows = conn.execute(query, values).fetchall()
    return [to_row(row) for row in rows]


def lock(conn: Connection, event_id: UUID) -> PaymentRow | None:
    """Read one payment and hold its row until the transaction ends."""
    rows = select(conn, "event_id = %(event_id)s FOR UPDATE", {"event_id": event_id})
    return rows[0] if rows else None


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
    row = lock(conn, event_id)
    if row is None:
        return Missing()
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
            write(conn, row, verdict, cause, rng)
        case Refused():
            _record(conn, row.event_id, "refused", row.payment, row.payment, cause, verdict.why)
        case Unchanged():
            pass
    return verdict


def said(applied: Applied) -> str:
    """What an application came to, in a word or two for a log."""
    match applied:
        case Step():
            return applied.payment.state.value
        case Unchanged() | Refused():
            return f"{type(applied).__name__.lower()}: {applied.why}"
        case Fenced() | Missing():
            return type(applied).__name__.lower()


def state_of(conn: Connection, event_id: UUID) -> PaymentState | None:
    """The payment's state now, without locking it."""
    row = conn.execute("SELECT state FROM payments WHERE event_id = %s", (event_id,)).fetchone()
    return PaymentState(row[0]) if row else None


def write(conn: Connection, row: PaymentRow, step: Step, cause: Cause, rng: random.Random) -> None:
    """Write a step: the compare-and-set, the history, and the events that follow."""
    after = step.payment
    # One round trip: the statements do not depend on each other's answers, and the check of the
    # first comes before the caller's commit.
    with conn.pipeline():
        moved = conn.execute(
            _UPDATE,
            {
                "event_id": row.event_id,
                "from_state": row.payment.state,
                "state": after.state,
                "payment_intent_id": after.payment_intent_id,
                "failure_code": after.failure_code,
                "cancel_requested": after.cancel_requested,
                "maybe_executed": after.maybe_executed,
                "saved_failure": after.saved_failure,
                "needs_reconcile": after.needs_reconcile,
                "unfinished": after.unfinished_attempts,
                "transient_failures": after.transient_failures,
                "wait": _wait_seconds(step, rng),
            },
        )
        _record_step(conn, row, step, cause)
        outbox.insert_events(conn, _events(row, step, cause))
        if Effect.EMIT_PARKED in step.effects:
            dead_letters.insert_event(
                conn,
                source=Service.WORKER,
                reason=after.failure_code or "parked",
                event_id=row.event_id,
            )
        elif row.payment.state is PaymentState.PARKED and after.state is not PaymentState.PARKED:
            dead_letters.resolve_event(conn, source=Service.WORKER, event_id=row.event_id)
        if Effect.REQUEST_REFUND in step.effects and after.payment_intent_id is not None:
            refunds.request_first(conn, row.event_id, after.payment_intent_id, row.money)
    if moved.rowcount != 1:
        raise RuntimeError(f"payment {row.event_id} moved under its own row lock")


_UPDATE: Final = """
    UPDATE payments SET
        state = %(state)s, payment_intent_id = %(payment_intent_id)s,
        failure_code = %(failure_code)s,
        cancel_requested_at = CASE WHEN %(cancel_requested)s
                                   THEN coalesce(cancel_requested_at, clock_timestamp()) END,
        maybe_executed = %(maybe_executed)s, saved_failure = %(saved_failure)s,
        needs_reconcile = %(needs_reconcile)s,
        finished_attempts = started_attempts - %(unfinished)s,
        transient_failures = %(transient_failures)s,
        -- Nothing was executed under the key yet, so its age has not begun: a day of refusals, or
        -- of a wrong key of ours, must not read as a key that Stripe has pruned.
        first_attempted_at = CASE WHEN %(state)s IN ('pending', 'parked') AND NOT %(maybe_executed)s
                                  THEN NULL ELSE first_attempted_at END,
        next_attempt_at = environment_now() + make_interval(secs => %(wait)s),
        lease_owner = CASE WHEN %(state)s = 'charging' THEN lease_owner END,
        lease_incarnation = CASE WHEN %(state)s = 'charging' THEN lease_incarnation END,
        lease_token = CASE WHEN %(state)s = 'charging' THEN lease_token END,
        lease_until = CASE WHEN %(state)s = 'charging' THEN lease_until END,
        updated_at = clock_timestamp()
    WHERE event_id = %(event_id)s AND state = %(from_state)s
"""


def _wait_seconds(step: Step, rng: random.Random) -> float:
    failures = step.payment.transient_failures
    match step.wait:
        case Wait.NOW:
            return 0.0
        case Wait.BACK_OFF:
            return max(PAYMENT_BACKOFF.delay_seconds(failures, rng), step.wait_seconds_min)
        case Wait.BACK_OFF_UNKNOWN:
            return max(UNKNOWN_BACKOFF.delay_seconds(failures, rng), step.wait_seconds_min)


def _record_step(conn: Connection, row: PaymentRow, step: Step, cause: Cause) -> None:
    before, after = row.payment, step.payment
    if OUTCOME_EFFECTS & set(step.effects):
        kind = "outcome"
    elif Effect.RECORD_LATE_SUCCESS in step.effects:
        kind = "late_success"
    else:
        kind = "transition"
    if step.via is not None:
        via = Payment(step.via)
        _record(conn, row.event_id, kind, before, via, cause, None)
        _record(conn, row.event_id, "transition", via, after, cause, None)
    else:
        _record(conn, row.event_id, kind, before, after, cause, after.failure_code)


def _record(
    conn: Connection,
    event_id: UUID,
    kind: str,
    before: Payment | None,
    after: Payment,
    cause: Cause,
    why: str | None,
) -> None:
    conn.execute(
        "INSERT INTO payment_events (event_id, kind, from_state, to_state, cause, cause_id, detail)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            event_id,
            kind,
            before.state if before else None,
            after.state,
            cause.who,
            cause.reference,
            json.dumps({"why": why} if why else {}),
        ),
    )


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
            extra = {"refund_id": cause.reference}
        case Effect.REQUEST_REFUND | Effect.RECORD_LATE_SUCCESS | Effect.ALERT:
            return []
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
