"""Putting a cell's fault in place, and the proof that it happened.

A failpoint is armed in the table and its hit is a row; a fault of the twin is armed there and its
hit is in the twin's ledger. Both records are written before the fault acts. A crash is believed
only when the supervisor, who is the parent, saw it; a freeze only when nobody was answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from bookpayctl.faults.failpoint import Aim, FailpointFault, Hit
from bookpayctl.faults.fault import Fault
from bookpayctl.faults.process import ProcessFrozen, ProcessKilled
from bookpayctl.faults.stripe import StripeFault, webhooks_held
from bookpayctl.faults.undo_error import UndoError
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.target import Mark
from runtime.domain.names import OrderStatus
from runtime.faults.connections import NothingToCutError
from runtime.faults.names import Action, Failpoint
from tests.crash_matrix.cells import Cell
from tests.crash_matrix.environment import MatrixEnvironment
from tests.crash_matrix.frozen import FROZEN_SECONDS, watch_frozen
from tests.crash_matrix.load import BANK_DEBIT, CARD, DECLINED, TRIGGER_CARD, Flow

HIT_SECONDS_MAX: Final = 60.0
RESTART_SECONDS_MAX: Final = 60.0

AIMED: Final = {"payment_method": TRIGGER_CARD}

# Until its webhook comes, only the worker can save a charge: longer than a restart and one more
# attempt take. A time-out of Stripe lasts 8 s locally (BOOKPAY_STRIPE_TIMEOUT_SECONDS).
WEBHOOK_DELAY_SECONDS: Final = 6
WEBHOOK_DELAY_BEYOND_TIMEOUT_SECONDS: Final = 11
# Longer than a frozen process sleeps, so that others take its lease over and it finds them done.
WEBHOOK_DELAY_BEYOND_SLEEP_SECONDS: Final = 25
# Far longer than anybody waits for an answer of Stripe.
ANSWER_HELD_SECONDS: Final = 60

WITHOUT_WEBHOOK: Final = frozenset(
    {
        Failpoint.PSP_EXECUTED_RESPONSE_LOST,
        Failpoint.PSP_RESPONSE_BEFORE_PERSIST,
        Failpoint.WORKER_RESULT_TX_BEFORE_COMMIT,
    }
)
SAGA_POINTS: Final = frozenset(
    {
        Failpoint.SAGA_DECIDED_BEFORE_STEP1,
        Failpoint.SAGA_STOCK_RELEASED_BEFORE_MARK,
        Failpoint.SAGA_DONE_BEFORE_EVENT,
    }
)
REFUND_POINTS: Final = frozenset(
    {Failpoint.SAGA_REFUND_SENT_NO_RESPONSE, Failpoint.SAGA_REFUND_BEFORE_PERSIST}
)
# Only a webhook tells of a bank's decision: one that is lost here is lost for the order.
WEBHOOK_POINTS: Final = frozenset(
    {
        Failpoint.RECEIVER_VERIFIED_BEFORE_INSERT,
        Failpoint.RECEIVER_INSERTED_BEFORE_200,
        Failpoint.RECEIVER_APPLY_BEFORE_COMMIT,
    }
)
# What these see of an order is no tenant.
WITHOUT_TENANT: Final = frozenset(
    {
        Failpoint.PUBLISHER_PRODUCED_ACK_LOST,
        Failpoint.PUBLISHER_ACKED_BEFORE_MARK,
        Failpoint.PUBLISHER_MARKED,
        Failpoint.RECEIVER_RESPONDED,
    }
)


def trigger_of(cell: Cell, prefix: str) -> Flow:
    """The order that takes the system to the cell's point."""
    key = f"{prefix}trigger"
    if cell.point in SAGA_POINTS:
        return Flow(key, DECLINED, OrderStatus.CANCELLED)
    if cell.point in REFUND_POINTS:
        return Flow(key, CARD, OrderStatus.REFUNDED, returned=True)
    if cell.point is Failpoint.RECON_READ_BEFORE_FIX:
        return Flow(key, TRIGGER_CARD, OrderStatus.CANCELLED)
    if cell.point in WEBHOOK_POINTS:
        return Flow(key, BANK_DEBIT, OrderStatus.PAID)
    return Flow(key, TRIGGER_CARD, OrderStatus.PAID)


def others(prefix: str) -> list[Flow]:
    """Everybody else of a cell's small load."""
    return [
        Flow(f"{prefix}ok-1", CARD, OrderStatus.PAID),
        Flow(f"{prefix}ok-2", CARD, OrderStatus.PAID),
        Flow(f"{prefix}declined", DECLINED, OrderStatus.CANCELLED),
        Flow(f"{prefix}slow", BANK_DEBIT, OrderStatus.PAID),
        Flow(f"{prefix}returned", CARD, OrderStatus.REFUNDED, returned=True),
    ]


def _webhook_delay_seconds(cell: Cell) -> int:
    """How late the trigger's webhook is, where another than its webhook is to save it."""
    if cell.action is Action.STOP:
        return WEBHOOK_DELAY_BEYOND_SLEEP_SECONDS
    if cell.is_the_twins and cell.action is Action.EXECTIMEOUT:
        return WEBHOOK_DELAY_BEYOND_TIMEOUT_SECONDS
    return WEBHOOK_DELAY_SECONDS


@dataclass
class CellFault:
    """One cell's fault, from arming to proof: what drills inject, where and when the cell says."""

    matrix: MatrixEnvironment
    cell: Cell
    run: Run
    armed: list[Fault] = field(default_factory=list)
    since: Mark = field(init=False)
    blow: ProcessKilled | ProcessFrozen | None = None
    unseen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.since = self.matrix.target.mark()

    def arm(self) -> None:
        """Everything that can be in place before the first order."""
        cell = self.cell
        faults: list[Fault] = []
        if cell.point in WITHOUT_WEBHOOK:
            faults.append(
                # The trigger's: it is the first to be charged, and its webhook the first to go.
                self._stripe(**webhooks_held(_webhook_delay_seconds(cell)), count=1)
            )
        if cell.point is Failpoint.RECON_READ_BEFORE_FIX:
            faults.append(self._stripe("saved_500", match=AIMED, count=1))
        if cell.is_the_twins:
            faults.append(self._fault_of_twin())
        elif cell.point not in REFUND_POINTS | WEBHOOK_POINTS:
            tenant = self.matrix.environment.tenant_id
            faults.append(self._failpoint(Aim(None if cell.point in WITHOUT_TENANT else tenant)))
        self._inject(*faults)

    def before_cancel(self, flow: Flow) -> None:
        """An order is about to be given back: now its refund can be waited for."""
        if self.cell.point in REFUND_POINTS and flow.is_trigger:
            self._inject(self._failpoint(Aim(order_id=flow.order_id)))

    def complete_debit(self, flow: Flow, payment_intent_id: str) -> None:
        """The bank decides; of the trigger's debit, only the webhook that tells so is aimed at."""
        if self.cell.point in WEBHOOK_POINTS and flow.is_trigger:
            quiet = wait_until(
                self.matrix.webhooks_owed, lambda owed: owed == 0, deadline_seconds=10
            )
            assert quiet.reached, "earlier webhooks are still on their way"
            self._inject(self._failpoint(Aim(event_id=flow.event_id)))
        self.matrix.complete_debit(payment_intent_id)

    def wait_for_hit(self, seconds: float) -> Hit | None:
        return wait_until(
            self.hit, lambda hit: hit is not None, deadline_seconds=seconds, every_seconds=0.02
        ).value

    def hit(self) -> Hit | None:
        """The record of the cell's own fault, the last one armed; None while there is none."""
        fault = self.armed[-1] if self.armed else None
        if isinstance(fault, FailpointFault):
            return fault.hit()
        if isinstance(fault, StripeFault) and self.cell.is_the_twins:
            return self._hit_of_twin(fault)
        return None

    def _hit_of_twin(self, fault: StripeFault) -> Hit | None:
        hits = fault.hits()
        if not hits:
            return None
        at = datetime.fromtimestamp(hits[0]["wall_at"], UTC)
        return Hit(self.cell.victim or "stripe-twin", 0, None, None, at)

    def strike(self, hit: Hit) -> Hit:
        """See the fault through: who is to die or to freeze does, and who is frozen wakes up.

        Returns:
            The hit, with the time from which on the system has to heal.
        """
        victim, parts = self.cell.victim, (self.matrix.target, self.run)
        if self.cell.action is Action.STOP:
            if victim is None:
                self.unseen = watch_frozen(self.matrix.target, hit)
            else:
                self.blow = ProcessFrozen(
                    *parts, prefix="cell", process=victim, seconds=FROZEN_SECONDS
                )
                self._inject(self.blow)
            return replace(hit, at=datetime.now(UTC))
        if victim is None:
            return hit
        self.blow = ProcessKilled(*parts, prefix="cell", process=victim)
        at = datetime.now(UTC)
        self._inject(self.blow)
        return Hit(victim, 0, None, None, at)

    def undo(self) -> list[str]:
        """Take back whatever is still armed; what cannot be taken back is a problem."""
        problems = []
        for fault in reversed(self.armed):
            try:
                fault.undo()
            except UndoError as error:
                problems.append(str(error))
        return problems

    def unproven(self, hit: Hit) -> list[str]:
        """What should have been seen of this fault, and by whom, and was not."""
        said = [] if self.cell.is_the_twins else self._unsaid(hit)
        return [*self._unproven_blow(hit), *self.unseen, *said]

    def _unproven_blow(self, hit: Hit) -> list[str]:
        """Who exits is seen to die and to be started again; nobody dies of anything else."""
        exits = self.cell.action is Action.EXIT
        ends = [] if exits else self.matrix.target.events(self.since).ends
        problems = [f"{end.process} died of it: {end}" for end in ends]
        fault = self.blow or (self.armed[-1] if exits else None)
        items = fault.prove(deadline_seconds=RESTART_SECONDS_MAX) if fault else []
        return problems + [f"{i.id} ({hit.process}): {i.reason}" for i in items if i.reason]

    def _unsaid(self, hit: Hit) -> list[str]:
        """The process says that it acts, once, and not that there was nothing to act on."""
        said = "\n".join(self.matrix.target.log_since(hit.process, self.since))
        acts = f"failpoint {self.cell.point.value} acts: {self.cell.action.value}"
        times = said.count(acts)
        problems = [] if times == 1 else [f"{hit.process} said {times} times: {acts}"]
        if NothingToCutError.__name__ in said:
            problems.append(f"{hit.process} found nothing to cut: the fault did not happen")
        return problems

    def _inject(self, *faults: Fault) -> None:
        """All undo is planned before the first of them touches anything."""
        for fault in faults:
            fault.plan_undo()
        self.armed += faults
        for fault in faults:
            fault.inject()

    def _failpoint(self, aim: Aim) -> FailpointFault:
        return FailpointFault(
            self.matrix.target,
            self.run,
            prefix="cell",
            point=self.cell.point.value,
            action=self.cell.action.value,
            aim=aim,
            seconds=FROZEN_SECONDS if self.cell.action is Action.STOP else None,
        )

    def _stripe(self, action: str, **definition: object) -> StripeFault:
        return StripeFault(
            self.matrix.target,
            self.run,
            prefix="cell",
            definition={"action": action, **definition},
        )

    def _fault_of_twin(self) -> StripeFault:
        if self.cell.action is Action.DROPCONN:
            return self._stripe("execute_then_cut", match=AIMED, count=1)
        held = {"seconds": ANSWER_HELD_SECONDS}
        return self._stripe("execute_then_timeout", match=AIMED, count=1, numbers=held)
