"""The durable inbox and the leases: `runtime/steps/queue.py` over `store/inbox.py`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from bookpayctl.simulation.kernel import SimulatedProcess
from bookpayctl.simulation.log import SimulatedRecord
from bookpayctl.simulation.settings import LEASE_SECONDS
from bookpayctl.simulation.steps import payments
from bookpayctl.simulation.steps.payments import Cause
from bookpayctl.simulation.store import (
    DEAD_LETTERS,
    PAYMENT_OF_ORDER,
    PAYMENTS,
    OutboxRow,
    PaymentRow,
    StepRow,
    Transaction,
)
from bookpayctl.simulation.world import World
from runtime.domain import payment as machine
from runtime.domain.key_history import NEVER_SENT
from runtime.domain.names import PaymentState
from runtime.domain.payment_events import Claimed, LeaseLost, OrderCancelled, Payment, Step
from runtime.domain.retry import KEY_AGE_SECONDS_MAX

S = PaymentState
_WAITING: Final = frozenset({S.PENDING, S.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Claim:
    """A payment as it was leased, and the token of the lease."""

    row: PaymentRow
    token: int


def insert_placed(world: World, tx: Transaction, record: SimulatedRecord) -> bool:
    """`store.inbox.insert_placed`: whether the payment is new."""
    event = record.event
    if tx.get(PAYMENTS, event.root) is not None and world.decisions.inbox_checks:
        world.count("an inbox duplicate")
        return False
    holder = tx.get(PAYMENT_OF_ORDER, event.order_id)
    if holder is not None and holder != event.root:
        tx.insert(DEAD_LETTERS, ("duplicate_order", event.root), True)
        return False
    # Two clocks, as in the statement: a leap moves the one, and a real day both.
    wall_age, age = world.now - event.created_at, world.environment_now - event.occurred_at
    old = age > KEY_AGE_SECONDS_MAX or wall_age > KEY_AGE_SECONDS_MAX
    state = S.UNKNOWN if old else S.PENDING
    if old:
        world.count("an order that was taken in too late to be charged blindly")
    key = replace(NEVER_SENT, maybe_executed=old, needs_reconcile=old)
    extra = dict(event.extra)
    _insert(world, tx, event, Payment(state, key=key), extra.get("payment_method"))
    if old:
        row: PaymentRow = tx.get(PAYMENTS, event.root)
        tx.put(PAYMENTS, event.root, replace(row, first_attempted_at=event.occurred_at))
    step = StepRow(event.root, "transition", None, state, "OrderPlaced", world.now)
    tx.payment_steps.append(step)
    return True


def _insert(
    world: World, tx: Transaction, event: OutboxRow, payment: Payment, method: str | None
) -> None:
    now, environment_now = world.now, world.environment_now
    tx.put(PAYMENT_OF_ORDER, event.order_id, event.root)
    row = PaymentRow(
        event.root,
        event.order_id,
        event.money,
        method,
        payment,
        environment_now,
        now,
        environment_now,
    )
    tx.put(PAYMENTS, event.root, row)


def cancel(world: World, tx: Transaction, event: OutboxRow) -> str:
    """`steps.queue.cancel`: tell the payment, or leave a tombstone."""
    row = tx.get(PAYMENTS, event.root)
    cause = Cause("OrderCancelled")
    if row is not None:
        if row.order_id != event.order_id or row.money != event.money:
            tx.insert(DEAD_LETTERS, ("other_order", event.event_id), True)
            return "another order"
        verdict = payments.apply_locked(world, tx, row, OrderCancelled(), cause)
        return type(verdict).__name__.lower()
    if tx.get(PAYMENT_OF_ORDER, event.order_id) is not None:
        return "another event holds this order"
    world.count("a tombstone")
    _insert(world, tx, event, Payment(S.PENDING), None)
    began = StepRow(event.root, "transition", None, S.PENDING, "OrderCancelled", world.now)
    tx.payment_steps.append(began)
    unplaced: PaymentRow = tx.get(PAYMENTS, event.root)
    payments.write_step(world, tx, unplaced, machine.tombstone(), cause)
    return "tombstone"


def give_up_leases(
    world: World, tx: Transaction, process: SimulatedProcess, orphans: Collection[int]
) -> int:
    """`steps.queue.give_up_leases` over `store.payments.lock_lost`."""
    lost = [row for row in _open(world, tx) if _is_lost(world, row, process, orphans)]
    for row in lost[:64]:
        step = world.decisions.step(row.payment, LeaseLost())
        if isinstance(step, Step):
            world.count("a lease that ran out")
            payments.write_step(world, tx, row, step, Cause("lease_lost"))
    return len(lost)


def _is_lost(
    world: World, row: PaymentRow, process: SimulatedProcess, orphans: Collection[int]
) -> bool:
    if row.payment.state is not S.CHARGING:
        return False
    if row.lease_token in orphans:
        world.count("an orphaned lease")
        return True
    mine = row.lease_owner == process.name and row.lease_incarnation != process.incarnation
    # A sabotage reads the worker's own clock, which may be a minute off.
    own = world.now + process.skew_seconds + world.store.environment_offset
    clock = world.environment_now if world.decisions.lease_of_environment else own
    if not mine and row.lease_until < clock and row.lease_until >= world.environment_now:
        world.alarm("S04", row.event_id, "its lease was not over")
    return mine or row.lease_until < clock


def claim_due(world: World, tx: Transaction, process: SimulatedProcess, limit: int) -> list[Claim]:
    """`steps.queue.claim_due` over `store.payments.lock_due`, oldest first."""
    now = world.environment_now
    due = [
        row
        for row in _open(world, tx)
        if row.payment.state in _WAITING
        and not row.payment.key.needs_reconcile
        and row.next_attempt_at <= now
    ]
    due.sort(key=lambda row: row.next_attempt_at)
    return _claim(world, tx, due[:limit], process)


def claim_inserted(
    world: World, tx: Transaction, process: SimulatedProcess, event_ids: list[str]
) -> list[Claim]:
    """`steps.queue.claim_inserted`: in the very transaction that inserts them."""
    rows = [tx.get(PAYMENTS, event_id) for event_id in event_ids]
    return _claim(world, tx, [row for row in rows if row.payment.state is S.PENDING], process)


def _claim(
    world: World, tx: Transaction, rows: list[PaymentRow], process: SimulatedProcess
) -> list[Claim]:
    claims = []
    for row in rows:
        began, now = row.first_attempted_at, world.environment_now
        step = world.decisions.step(row.payment, Claimed(None if began is None else now - began))
        if isinstance(step, Step) and step.payment.state is S.CHARGING:
            claims.append(_lease(world, tx, row, step.payment, process))
        elif isinstance(step, Step):
            world.count("a key too old to be posted")
            payments.write_step(world, tx, row, step, Cause("claim"))
    return claims


def _lease(
    world: World, tx: Transaction, row: PaymentRow, charging: Payment, process: SimulatedProcess
) -> Claim:
    """`store.payments.lease`: the claim keeps the row as it was read."""
    token, now = world.new_token(), world.environment_now
    leased = replace(
        row,
        payment=charging,
        started_attempts=row.started_attempts + 1,
        first_attempted_at=now if row.first_attempted_at is None else row.first_attempted_at,
        last_attempted_at=now,
        updated_at=world.now,
        lease_owner=process.name,
        lease_incarnation=process.incarnation,
        lease_token=token,
        lease_until=now + LEASE_SECONDS,
    )
    tx.put(PAYMENTS, row.event_id, leased)
    before = row.payment.state
    who = process.name
    step = StepRow(row.event_id, "transition", before, S.CHARGING, who, world.now, token)
    tx.payment_steps.append(step)
    world.note(process.name, row.order_id, f"payment {before} -> charging, lease {token}")
    return Claim(row, token)


def _open(world: World, tx: Transaction) -> list[PaymentRow]:
    """Rows that are not final, as this transaction sees them."""
    return [tx.get(PAYMENTS, event_id) for event_id in world.store.open_payments]
