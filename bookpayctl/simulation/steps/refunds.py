"""One step of a refund: `runtime/steps/refund.py` over `store/refunds.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from bookpayctl.simulation.kernel import SimulatedProcess
from bookpayctl.simulation.settings import LEASE_SECONDS, REFUNDS_AT_A_TIME
from bookpayctl.simulation.steps import payments
from bookpayctl.simulation.steps.payments import Cause
from bookpayctl.simulation.store import PAYMENTS, REFUNDS, RefundRow, Transaction
from bookpayctl.simulation.world import World
from runtime.domain.names import RefundState
from runtime.domain.outcome import Retry
from runtime.domain.outside import Hold, Send, before_sending
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
)
from runtime.domain.retry import PAYMENT_BACKOFF, UNKNOWN_BACKOFF

S = RefundState
_WAITING: Final = frozenset({S.PENDING, S.UNKNOWN})


@dataclass(frozen=True, slots=True)
class RefundClaim:
    row: RefundRow
    token: int


def claim_due(world: World, tx: Transaction, process: SimulatedProcess) -> list[RefundClaim]:
    """`steps.refund.claim_due`: first give up lost leases, then lease what is due."""
    now = world.environment_now
    rows = [tx.get(REFUNDS, refund_id) for refund_id in world.store.open_refunds]
    for row in rows:
        mine = row.lease_owner == process.name and row.lease_incarnation != process.incarnation
        if row.refund.state is S.SENDING and (mine or row.lease_until < now):
            world.count("a refund whose sender died")
            apply_locked(world, tx, row, RefundLeaseLost(), process.name)
    claims = []
    for refund_id in list(world.store.open_refunds):
        row = tx.get(REFUNDS, refund_id)
        key = row.refund.key
        if row.refund.state not in _WAITING or key.needs_reconcile or row.next_attempt_at > now:
            continue
        age = None if row.first_attempted_at is None else now - row.first_attempted_at
        claimed = world.decisions.next_refund(row.refund, RefundClaimed(age))
        if claimed.state is S.SENDING:
            wanted = _for_what_is_left(world, tx, row, process)
            if wanted is not None:
                claims.append(_lease(world, tx, wanted, process))
        elif claimed != row.refund:
            _write(world, tx, row, claimed, 0.0)
        if len(claims) == REFUNDS_AT_A_TIME:
            break
    return claims


def _for_what_is_left(
    world: World, tx: Transaction, row: RefundRow, process: SimulatedProcess
) -> RefundRow | None:
    """`steps.refund._for_what_is_left`."""
    if row.refund.key.maybe_executed:
        return row
    moved = payments.moved_money(tx, tx.get(PAYMENTS, row.event_id))
    match before_sending(moved, row.n):
        case Send(amount_cents):
            return replace(row, money=replace(row.money, amount_cents=amount_cents))
        case Hold.NOTHING_OWED:
            apply_locked(world, tx, row, RefundUnneeded(), process.name)
        case Hold.DISPUTED:
            # There are no disputes here.
            pass
    return None


def _lease(world: World, tx: Transaction, row: RefundRow, process: SimulatedProcess) -> RefundClaim:
    token, now = world.new_token(), world.environment_now
    leased = replace(
        row,
        refund=replace(row.refund, state=S.SENDING),
        first_attempted_at=now if row.first_attempted_at is None else row.first_attempted_at,
        last_attempted_at=now,
        updated_at=world.now,
        lease_owner=process.name,
        lease_incarnation=process.incarnation,
        lease_token=token,
        lease_until=now + LEASE_SECONDS,
    )
    tx.put(REFUNDS, row.refund_id, leased)
    return RefundClaim(row, token)


def apply(
    world: World,
    tx: Transaction,
    refund_id: str,
    event: RefundEvent,
    who: str,
    token: int | None = None,
) -> bool | None:
    """`steps.refund.apply`: whether it changed anything; None when the lease is another's."""
    row = tx.get(REFUNDS, refund_id)
    if row is None:
        return None
    if token is not None and row.lease_token != token:
        world.count("a fenced result")
        if world.decisions.fences_results:
            return None
    return apply_locked(world, tx, row, event, who)


def apply_locked(
    world: World, tx: Transaction, row: RefundRow, event: RefundEvent, who: str
) -> bool:
    """`steps.refund.apply_locked`."""
    after = world.decisions.next_refund(row.refund, event)
    if after == row.refund:
        return False
    _write(world, tx, row, after, _wait_seconds(world, after, event))
    if after.state is not row.refund.state:
        order_id = tx.get(PAYMENTS, row.event_id).order_id
        world.note(who, order_id, f"refund {row.n} {row.refund.state} -> {after.state}")
        _report_to_payment(world, tx, row, after, Cause(who))
    return True


def _write(world: World, tx: Transaction, row: RefundRow, after: Refund, wait: float) -> None:
    """`store.refunds.write`."""
    changed = replace(
        row,
        refund=after,
        first_attempted_at=None if after.state is S.PENDING else row.first_attempted_at,
        next_attempt_at=world.environment_now + wait,
        updated_at=world.now,
        lease_owner=None,
        lease_token=None,
    )
    tx.put(REFUNDS, row.refund_id, changed)


def _report_to_payment(
    world: World, tx: Transaction, row: RefundRow, after: Refund, cause: Cause
) -> None:
    """`steps.refund._report_to_payment`."""
    if after.state is S.SUCCEEDED:
        payments.apply(world, tx, row.event_id, RefundSucceeded(), cause)
        payments.settle_up(world, tx, row.event_id, cause)
    elif after.state is S.FAILED:
        code = after.failure_code or "refund_failed"
        failed = code not in OVERTAKEN and code != NOTHING_OWED
        if failed:
            payments.apply(world, tx, row.event_id, RefundFailed(code), cause)
        stuck = payments.settle_up(world, tx, row.event_id, cause)
        if stuck and not failed:
            payments.apply(world, tx, row.event_id, RefundFailed(code), cause)


def _wait_seconds(world: World, after: Refund, event: RefundEvent) -> float:
    """`steps.refund._wait_seconds`."""
    if isinstance(event, RefundLeaseLost):
        return 0.0
    backoff = UNKNOWN_BACKOFF if after.key.maybe_executed else PAYMENT_BACKOFF
    delay = backoff.delay_seconds(after.key.transient_failures, world.protocol)
    asked_for = 0.0
    if isinstance(event, RefundAnswered) and isinstance(event.outcome, Retry):
        asked_for = event.outcome.after_seconds or 0.0
    return max(delay, asked_for)
