"""The reconciler: what has been open for too long is asked of Stripe.

`runtime/services/payments_reconciler`: `charges.py`, `refunds.py`, `early_webhooks.py` and
`missed_events.py`. A claim pushes the next look ahead; nothing is held while Stripe is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from bookpayctl.simulation.kernel import SimulatedProcess, Task, Waiting
from bookpayctl.simulation.roles.gateway import cancel_request
from bookpayctl.simulation.roles.telling_again import tell_again
from bookpayctl.simulation.settings import (
    EARLY_WEBHOOK_WINDOW_SECONDS,
    EVENT_WINDOW_SECONDS,
    LEASE_SECONDS,
    RECONCILE_BATCH,
    WEBHOOK_WINDOW_SECONDS,
)
from bookpayctl.simulation.steps import payments, refunds, webhooks
from bookpayctl.simulation.steps.payments import Cause
from bookpayctl.simulation.store import (
    EARLY,
    PAYMENTS,
    REFUNDS,
    WEBHOOKS,
    PaymentRow,
    RefundRow,
    Transaction,
    UnavailableError,
)
from bookpayctl.simulation.stripe.objects import Intent, StripeRefund
from bookpayctl.simulation.world import Role, World
from runtime.domain.names import PaymentIntentId, PaymentState, RefundState
from runtime.domain.outcome import Declined
from runtime.domain.payment import ORDER_CANCELLED, WEBHOOK_TIMEOUT
from runtime.domain.payment_events import (
    Event,
    SeenAbsent,
    SeenFailed,
    SeenOpen,
    SeenSucceeded,
    Step,
)
from runtime.domain.refund import RefundAbsent, RefundEvent, RefundSeen
from runtime.domain.stripe_answers import PAYMENT_INTENT_CANCELED

CREATED_MARGIN_SECONDS = 120
IDLE_SECONDS_MAX = 2.0

_UNANSWERED = frozenset({PaymentState.UNKNOWN, PaymentState.PARKED})


class Reconciler(Role):
    """One reconciler process; replicas are safe, since each claims its rows."""

    def __init__(self, world: World, process: SimulatedProcess, *, tells_again: bool) -> None:
        super().__init__(world, process)
        self.tells_again = tells_again
        process.start = self.start

    def start(self) -> list[Task]:
        return [self.loop()]

    def loop(self) -> Task:
        """`Reconciler.run_once`, for ever."""
        wait, missed_at = 0.25, -EVENT_WINDOW_SECONDS
        while True:
            try:
                done = self._drive_early()
                yield 0.002
                done += yield from self._close_unanswered()
                done += yield from self._close_processing()
                done += yield from self._close_refunds()
                if self.tells_again and self.world.now - missed_at >= EVENT_WINDOW_SECONDS / 4:
                    missed_at = self.world.now
                    done += tell_again(self.world, self.name)
            except UnavailableError:
                done = 0
            wait = 0.1 if done else min(wait * 1.5, IDLE_SECONDS_MAX)
            yield wait

    # --- early webhooks -------------------------------------------------------------------------

    def _drive_early(self) -> int:
        now, table = self.world.environment_now, self.world.store.table(EARLY)
        due = [row.stripe_event_id for row in table.values() if row.next_attempt_at <= now]
        if not due:
            return 0
        return self.world.transact(lambda tx: sum(self._drive(tx, key) for key in due))

    def _drive(self, tx: Transaction, event_id: str) -> int:
        """`early_webhooks._drive`."""
        world, row = self.world, tx.get(EARLY, event_id)
        now = world.environment_now
        effect = webhooks.apply_safely(world, tx, tx.get(WEBHOOKS, event_id).event)
        if effect is webhooks.Effect.EARLY:
            if now - row.parked_at < EARLY_WEBHOOK_WINDOW_SECONDS:
                wait = min(0.25 * 2 ** (row.attempts + 1), 30.0)
                later = replace(row, attempts=row.attempts + 1, next_attempt_at=now + wait)
                tx.put(EARLY, event_id, later)
                return 0
            effect = webhooks.Effect.QUARANTINED
        webhooks.close(world, tx, event_id, effect)
        tx.put(EARLY, event_id, None)
        return 1

    # --- charges --------------------------------------------------------------------------------

    def _close_unanswered(self) -> Waiting[int]:
        """`charges.close_unanswered`."""
        rows = self._claim(
            lambda row: row.payment.key.needs_reconcile and row.payment.state in _UNANSWERED
        )
        for row in rows:
            yield from self._ask(row)
        return len(rows)

    def _close_processing(self) -> Waiting[int]:
        """`charges.close_processing`."""
        before = self.world.environment_now - WEBHOOK_WINDOW_SECONDS
        rows = self._claim(
            lambda row: (
                row.payment.state is PaymentState.PROCESSING
                and (row.payment.cancel_requested or _since(row) < before)
            )
        )
        for row in rows:
            yield from self._close_open_intent(row)
        return len(rows)

    def _claim(self, wanted: Callable[[PaymentRow], bool]) -> list[PaymentRow]:
        """`store.reconcile._claim`."""
        world = self.world
        now, table = world.environment_now, world.store.table(PAYMENTS)
        found = [table[key] for key in world.store.open_payments]
        rows = [row for row in found if row.next_attempt_at <= now and wanted(row)]
        rows = sorted(rows, key=lambda row: row.next_attempt_at)[:RECONCILE_BATCH]

        def work(tx: Transaction) -> None:
            for row in rows:
                tx.put(PAYMENTS, row.event_id, replace(row, next_attempt_at=now + LEASE_SECONDS))

        if rows:
            world.transact(work)
        return rows

    def _ask(self, row: PaymentRow) -> Task:
        """`charges._ask_and_apply`: no transaction is open while Stripe is asked."""
        world, known = self.world, row.payment.payment_intent_id
        if known is not None:
            intent = yield world.read(lambda: world.account.retrieved(known))
            if intent is None:
                self._look_again(row)
            else:
                self._apply(row, news(intent))
            return
        since, until = window(world, row)
        found = yield world.read(
            lambda: world.account.listed(
                row.event_id, since=since, until=until, lists=world.decisions.lists
            )
        )
        if found is None:
            self._look_again(row)
            return
        age = row.first_attempted_at
        seen = _news_of(found) or SeenAbsent(
            world.now - row.updated_at > LEASE_SECONDS or not world.decisions.waits_for_deadline,
            None if age is None else world.environment_now - age,
        )
        world.count("a charge that was looked up" if found else "a charge that was not there")
        self.note(row.order_id, f"asked Stripe: {type(seen).__name__}")
        self._apply(row, seen)

    def _close_open_intent(self, row: PaymentRow) -> Task:
        """`charges._close_open_intent`: cancel it if it can still be canceled."""
        world, known = self.world, row.payment.payment_intent_id
        if known is None:
            return
        intent = yield world.read(lambda: world.account.retrieved(known))
        if intent is None:
            self._look_again(row)
            return
        if intent.status.startswith("requires_"):
            answer = yield world.post(cancel_request(world, row, known))
            outcome = world.decisions.outcome_of_cancel(answer, known)
            if isinstance(outcome, Declined) and outcome.code == PAYMENT_INTENT_CANCELED:
                world.count("an open PaymentIntent that was canceled")
                code = ORDER_CANCELLED if row.payment.cancel_requested else WEBHOOK_TIMEOUT
                self._apply(row, SeenFailed(known, code))
                return
            intent = yield world.read(lambda: world.account.retrieved(known))
        if intent is None:
            self._look_again(row)
        else:
            self._apply(row, news(intent))

    def _apply(self, row: PaymentRow, seen: Event) -> None:
        """`tools.Tools.apply`."""
        world = self.world

        def work(tx: Transaction) -> None:
            verdict = payments.apply(world, tx, row.event_id, seen, Cause("reconciler"))
            if not (isinstance(verdict, Step) and verdict.payment.state is not row.payment.state):
                self._put_look(tx, row)

        world.transact(work)

    def _look_again(self, row: PaymentRow) -> None:
        self.world.transact(lambda tx: self._put_look(tx, row))

    def _put_look(self, tx: Transaction, row: PaymentRow) -> None:
        """`store.reconcile.look_again_in`, in the state it was seen in only."""
        now = tx.get(PAYMENTS, row.event_id)
        if now.payment.state is row.payment.state:
            at = self.world.environment_now
            last = row.created_at if row.last_attempted_at is None else row.last_attempted_at
            unknown = row.payment.state is not PaymentState.PROCESSING
            wait = look_again_seconds(at - last, unknown=unknown)
            tx.put(PAYMENTS, row.event_id, replace(now, next_attempt_at=at + wait))

    # --- refunds --------------------------------------------------------------------------------

    def _close_refunds(self) -> Waiting[int]:
        """`refunds.close_refunds`."""
        world = self.world
        now, table = world.environment_now, world.store.table(REFUNDS)
        rows = [
            row for row in map(table.__getitem__, world.store.open_refunds) if _is_due(row, now)
        ]

        def hold(tx: Transaction) -> None:
            for row in rows:
                tx.put(REFUNDS, row.refund_id, replace(row, next_attempt_at=now + LEASE_SECONDS))

        if rows:
            world.transact(hold)
        for row in rows:
            intent = row.payment_intent_id
            found = yield world.read(partial(world.account.refunds_of, intent))
            self._close_refund(row, found)
        return len(rows)

    def _close_refund(self, row: RefundRow, found: Sequence[StripeRefund] | None) -> None:
        """`refunds._ask_and_apply`."""
        world = self.world
        at, last = world.environment_now, row.last_attempted_at
        unknown = row.refund.state is not RefundState.PROCESSING
        wait = look_again_seconds(0.0 if last is None else at - last, unknown=unknown)

        def work(tx: Transaction) -> None:
            changed = found is not None and refunds.apply(
                world, tx, row.refund_id, self._what_is_there(row, found), "reconciler"
            )
            now = tx.get(REFUNDS, row.refund_id)
            if not changed and now.refund.state is row.refund.state:
                tx.put(REFUNDS, row.refund_id, replace(now, next_attempt_at=at + wait))

        world.transact(work)

    def _what_is_there(self, row: RefundRow, found: Sequence[StripeRefund]) -> RefundEvent:
        """`refunds.what_is_there`."""
        for entry in found:
            if _is_ours(entry, row):
                self.world.count("a refund that was looked up")
                return RefundSeen(entry.stripe_refund_id, entry.status, entry.failure_code)
        began = row.first_attempted_at
        return RefundAbsent(
            self.world.now - row.updated_at > LEASE_SECONDS,
            None if began is None else self.world.environment_now - began,
        )


# --- pure -----------------------------------------------------------------------------------


def _since(row: PaymentRow) -> float:
    return row.created_at if row.last_attempted_at is None else row.last_attempted_at


def _is_due(row: RefundRow, now: float) -> bool:
    """`store.refunds.claim_unanswered`."""
    if row.next_attempt_at > now:
        return False
    if row.refund.state is RefundState.UNKNOWN:
        return row.refund.key.needs_reconcile
    last = row.created_at if row.last_attempted_at is None else row.last_attempted_at
    return row.refund.state is RefundState.PROCESSING and last < now - WEBHOOK_WINDOW_SECONDS


def _is_ours(entry: StripeRefund, row: RefundRow) -> bool:
    """`refunds._is_ours`."""
    if row.refund.stripe_refund_id is not None:
        return entry.stripe_refund_id == row.refund.stripe_refund_id
    may_be = row.refund.key.maybe_executed or row.refund.state is RefundState.PROCESSING
    return may_be and entry.refund_id == row.refund_id


def look_again_seconds(age: float, *, unknown: bool) -> float:
    """`tools.look_again_seconds`."""
    return min(max(age / 10.0, 2.0), 15.0 if unknown else 300.0)


def window(world: World, row: PaymentRow) -> tuple[float, float]:
    """`charges.creation_window`."""
    now = world.environment_now
    began = row.first_attempted_at
    first = max(0.0 if began is None else now - began, now - row.created_at)
    last = 0.0 if row.last_attempted_at is None else now - row.last_attempted_at
    last = last if last <= first else 0.0
    return (
        max(int(now - first - CREATED_MARGIN_SECONDS), 0),
        int(now - last + LEASE_SECONDS + CREATED_MARGIN_SECONDS),
    )


def _news_of(found: Sequence[Intent]) -> Event | None:
    """`charges.news_of`, where all are of our money."""
    succeeded = [intent for intent in found if intent.status == "succeeded"]
    return next((news(intent) for intent in succeeded or found), None)


def news(intent: Intent) -> Event:
    """`charges.to_event`."""
    known = PaymentIntentId(intent.intent_id)
    match intent.status:
        case "succeeded":
            return SeenSucceeded(known)
        case "canceled":
            return SeenFailed(known, intent.error_code or PAYMENT_INTENT_CANCELED)
        case "requires_payment_method" if intent.error_code is not None:
            return SeenFailed(known, intent.error_code)
        case _:
            return SeenOpen(known)
