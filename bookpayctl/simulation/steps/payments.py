"""One step of a payment and what follows from it: `runtime/steps/payment.py`.

The row's writes are those of `runtime/adapters/store/payments.py`, which its SQL says in full.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from bookpayctl.simulation.steps.orders import cancel_order
from bookpayctl.simulation.steps.outbox import derived, insert_event
from bookpayctl.simulation.store import (
    OUTCOMES,
    PAYMENT_OF_INTENT,
    PAYMENTS,
    REFUNDS,
    REFUNDS_OF,
    PaymentRow,
    RefundRow,
    StepRow,
    Transaction,
)
from bookpayctl.simulation.world import World
from runtime.domain.names import EventType, PaymentState, RefundState
from runtime.domain.outside import (
    REFUNDED_OUTSIDE,
    Ask,
    CancelOrder,
    End,
    MovedMoney,
    OurRefund,
    next_move,
)
from runtime.domain.payment_events import (
    OUTCOME_EFFECTS,
    Effect,
    Event,
    NothingOwed,
    Refused,
    Step,
    Verdict,
    Wait,
)
from runtime.domain.refund import Refund
from runtime.domain.retry import PAYMENT_BACKOFF, UNKNOWN_BACKOFF

_NOT_SENT: Final = frozenset({PaymentState.PENDING, PaymentState.PARKED})


class ContradictionError(Exception):
    """A unique constraint refuses the write; the transaction must not commit."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Who moved a payment; `token` of the lease a result was written under."""

    who: str
    token: int | None = None


def apply(
    world: World, tx: Transaction, event_id: str, event: Event, cause: Cause
) -> Verdict | None:
    """`steps.payment.apply`: None when there is no row, or the lease is another's."""
    row = tx.get(PAYMENTS, event_id)
    if row is None:
        return None
    if cause.token is not None and row.lease_token != cause.token:
        world.count("a fenced result")
        if world.decisions.fences_results:
            return None
    return apply_locked(world, tx, row, event, cause)


def apply_locked(
    world: World, tx: Transaction, row: PaymentRow, event: Event, cause: Cause
) -> Verdict:
    """`steps.payment.apply_locked`: ask the machine and write what it says."""
    verdict = world.decisions.step(row.payment, event)
    if isinstance(verdict, Step):
        write_step(world, tx, row, verdict, cause)
    elif isinstance(verdict, Refused):
        state = row.payment.state
        tx.payment_steps.append(
            StepRow(row.event_id, "refused", state, state, cause.who, world.now, cause.token)
        )
    return verdict


def write_step(world: World, tx: Transaction, row: PaymentRow, step: Step, cause: Cause) -> None:
    """`steps.payment.write_step`: the row, its history, its events, and the sums."""
    put_payment(world, tx, row, step)
    _record(world, tx, row, step, cause)
    for effect in step.effects:
        _emit(world, tx, row, step, effect)
    if Effect.RECORD_LATE_SUCCESS in step.effects:
        world.count("a late success")
    if Effect.REQUEST_REFUND in step.effects:
        settle_up(world, tx, row.event_id, cause)


def put_payment(world: World, tx: Transaction, row: PaymentRow, step: Step) -> None:
    """`store.payments.write`, statement `_UPDATE`."""
    after = step.payment
    intent = after.payment_intent_id
    is_new = intent is not None and intent != row.payment.payment_intent_id
    if is_new and not tx.insert(PAYMENT_OF_INTENT, intent, row.event_id):
        raise ContradictionError("payments_payment_intent_id_key")
    charging = after.state is PaymentState.CHARGING
    never_sent = after.state in _NOT_SENT and not after.key.maybe_executed
    changed = replace(
        row,
        payment=after,
        first_attempted_at=None if never_sent else row.first_attempted_at,
        next_attempt_at=world.environment_now + _wait_seconds(world, step),
        updated_at=world.now,
        lease_owner=row.lease_owner if charging else None,
        lease_token=row.lease_token if charging else None,
    )
    tx.put(PAYMENTS, row.event_id, changed)


def _wait_seconds(world: World, step: Step) -> float:
    """`steps.payment._wait_seconds`."""
    failures = step.payment.key.transient_failures
    match step.wait:
        case Wait.NOW:
            return 0.0
        case Wait.BACK_OFF:
            return max(
                PAYMENT_BACKOFF.delay_seconds(failures, world.protocol), step.wait_seconds_min
            )
        case Wait.BACK_OFF_UNKNOWN:
            return max(
                UNKNOWN_BACKOFF.delay_seconds(failures, world.protocol), step.wait_seconds_min
            )


def _record(world: World, tx: Transaction, row: PaymentRow, step: Step, cause: Cause) -> None:
    """`steps.payment._record_step`; the index on outcomes refuses the second."""
    before, after, now = row.payment.state, step.payment.state, world.now
    kind = "late_success" if Effect.RECORD_LATE_SUCCESS in step.effects else "transition"
    if OUTCOME_EFFECTS & set(step.effects):
        kind = "outcome"
        if not tx.insert(OUTCOMES, row.event_id, True):
            raise ContradictionError("payment_events_outcome_key")
    world.note(cause.who, row.order_id, f"payment {before} -> {after}")
    if step.via is not None:
        tx.payment_steps.append(
            StepRow(row.event_id, kind, before, step.via, cause.who, now, cause.token)
        )
        kind, before = "transition", step.via
    tx.payment_steps.append(StepRow(row.event_id, kind, before, after, cause.who, now, cause.token))


def _emit(world: World, tx: Transaction, row: PaymentRow, step: Step, effect: Effect) -> None:
    """`steps.payment._event_of`."""
    after, n, extra = step.payment, None, {}
    match effect:
        case Effect.EMIT_COMPLETED:
            event_type = EventType.PAYMENT_COMPLETED
        case Effect.EMIT_FAILED:
            event_type, extra = EventType.PAYMENT_FAILED, {"reason": after.failure_code}
        case Effect.EMIT_PARKED:
            event_type, n = EventType.PAYMENT_PARKED, row.started_attempts
        case Effect.EMIT_REFUNDED:
            event_type = EventType.PAYMENT_REFUNDED
        case _:
            return
    insert_event(
        world,
        tx,
        event_type,
        root=row.event_id,
        order_id=row.order_id,
        money=row.money,
        n=n,
        **extra,
    )


# --- the sums -------------------------------------------------------------------------------


def moved_money(tx: Transaction, row: PaymentRow) -> MovedMoney:
    """`store.outside.moved_of_one`, without what others move: they are not simulated."""
    ours = [tx.get(REFUNDS, refund_id) for refund_id in tx.get(REFUNDS_OF, row.event_id) or ()]
    return MovedMoney(
        row.money.amount_cents,
        ours=tuple(
            OurRefund(r.n, r.money.amount_cents, r.refund.state, r.refund.failure_code)
            for r in ours
        ),
    )


def settle_up(world: World, tx: Transaction, event_id: str, cause: Cause) -> bool:
    """`steps.payment.settle_up`: whether money is owed and nothing more happens by itself."""
    row = tx.get(PAYMENTS, event_id)
    if row is None:
        return False
    moved = moved_money(tx, row)
    move = next_move(row.payment.state, moved)
    match move:
        case CancelOrder():
            cancel_order(world, tx, row.order_id, cause=cause.who, reason=REFUNDED_OUTSIDE)
        case Ask(n, amount_cents) if row.payment.payment_intent_id is not None:
            request_refund(world, tx, row, n, amount_cents)
        case End(by, _):
            apply_locked(world, tx, row, NothingOwed(), Cause(by))
        case _:
            pass
    return move is None and moved.is_stuck


def request_refund(
    world: World, tx: Transaction, row: PaymentRow, n: int, amount_cents: int
) -> None:
    """`store.refunds.request`: (event_id, n) is unique, and the key is derived from both."""
    refund_id = f"refund:{row.event_id}:{n}"
    key = derived(row.event_id, EventType.ORDER_CANCELLED) if n == 1 else refund_id
    made = RefundRow(
        refund_id,
        row.event_id,
        n,
        key,
        str(row.payment.payment_intent_id),
        replace(row.money, amount_cents=amount_cents),
        Refund(RefundState.PENDING),
        world.environment_now,
        world.now,
        world.environment_now,
    )
    if tx.insert(REFUNDS, refund_id, made):
        tx.put(REFUNDS_OF, row.event_id, (*(tx.get(REFUNDS_OF, row.event_id) or ()), refund_id))
