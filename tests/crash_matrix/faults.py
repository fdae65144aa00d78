"""Putting a cell's fault in place, and the proof that it happened.

A failpoint is armed in the table and its hit is a row; a fault of the twin is armed there and its
hit is in the twin's ledger. Both records are written before the fault acts. A crash is believed
only when the supervisor, who is the parent, saw it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import OrderStatus
from runtime.faults.connections import NothingToCutError
from runtime.faults.names import Action, Failpoint
from tests.crash_matrix.cells import Cell
from tests.crash_matrix.environment import Stand
from tests.crash_matrix.load import BANK_DEBIT, CARD, DECLINED, TRIGGER_CARD, Flow

EXIT_STATUS: Final = 137
HIT_SECONDS_MAX: Final = 20.0
RESTART_SECONDS_MAX: Final = 20.0

AIMED: Final = {"payment_method": TRIGGER_CARD}

# Until its webhook comes, only the worker can save a charge: longer than a restart and one more
# attempt take. A time-out of Stripe lasts 8 s locally (BOOKPAY_STRIPE_TIMEOUT_SECONDS).
WEBHOOK_DELAY_SECONDS: Final = 6
WEBHOOK_DELAY_BEYOND_TIMEOUT_SECONDS: Final = 11
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


@dataclass(frozen=True, slots=True)
class Hit:
    """The fault's own record."""

    process: str
    pid: int
    at: datetime


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


@dataclass
class Fault:
    """One cell's fault, from arming to proof."""

    stand: Stand
    cell: Cell
    run_id: str
    fault_id: str | None = None
    log_position: int = 0
    said_before: dict[str, int] = field(default_factory=dict)
    killed_pid: int | None = None

    def arm(self) -> None:
        """Everything that can be in place before the first order."""
        self.log_position = self.stand.log_position()
        self.said_before = self.stand.log_sizes()
        cell = self.cell
        if cell.point in WITHOUT_WEBHOOK:
            slow = cell.is_the_twins and cell.action is Action.EXECTIMEOUT
            seconds = WEBHOOK_DELAY_BEYOND_TIMEOUT_SECONDS if slow else WEBHOOK_DELAY_SECONDS
            self.stand.add_fault(
                "webhook_delay",
                match={"event_type": "payment_intent.*"},
                # The trigger's: it is the first to be charged, and its webhook the first to go.
                count=1,
                numbers={"seconds": seconds},
            )
        if cell.point is Failpoint.RECON_READ_BEFORE_FIX:
            self.stand.add_fault("saved_500", match=AIMED, count=1)
        if cell.is_the_twins:
            self.fault_id = self._arm_twin()
        elif cell.point not in REFUND_POINTS | WEBHOOK_POINTS:
            tenant = None if cell.point in WITHOUT_TENANT else self.stand.environment.tenant_id
            self.stand.arm(self.run_id, cell.point, cell.action, tenant_id=tenant)

    def before_cancel(self, flow: Flow) -> None:
        """An order is about to be given back: now its refund can be waited for."""
        if self.cell.point in REFUND_POINTS and flow.is_trigger:
            self.stand.arm(self.run_id, self.cell.point, self.cell.action, order_id=flow.order_id)

    def complete_debit(self, flow: Flow, payment_intent_id: str) -> None:
        """The bank decides; of the trigger's debit, only the webhook that tells so is aimed at."""
        if self.cell.point in WEBHOOK_POINTS and flow.is_trigger:
            quiet = wait_until(
                self.stand.webhooks_owed, lambda owed: owed == 0, deadline_seconds=10
            )
            assert quiet.reached, "earlier webhooks are still on their way"
            self.stand.arm(self.run_id, self.cell.point, self.cell.action, event_id=flow.event_id)
        self.stand.complete_debit(payment_intent_id)

    def _arm_twin(self) -> str:
        if self.cell.action is Action.DROPCONN:
            return self.stand.add_fault("execute_then_cut", match=AIMED, count=1)
        numbers = {"seconds": ANSWER_HELD_SECONDS}
        return self.stand.add_fault("execute_then_timeout", match=AIMED, count=1, numbers=numbers)

    def wait_for_hit(self, seconds: float) -> Hit | None:
        return wait_until(
            self.hit, lambda hit: hit is not None, deadline_seconds=seconds, every_seconds=0.02
        ).value

    def hit(self) -> Hit | None:
        if self.cell.is_the_twins:
            return self._hit_of_twin()
        rows = self.stand.rows(
            "SELECT process, pid, hit_at FROM failpoint_hits WHERE run_id = %s"
            " AND point = %s AND action = %s ORDER BY id",
            *(self.run_id, self.cell.point.value, self.cell.action.value),
        )
        return Hit(*rows[0]) if rows else None

    def _hit_of_twin(self) -> Hit | None:
        if self.killed_pid is not None:
            return None
        hits = self.stand.twin("GET", f"/fault-hits?fault_id={self.fault_id}")["data"]
        if not hits:
            return None
        at = datetime.fromtimestamp(hits[0]["wall_at"], UTC)
        return Hit(self.cell.victim or "stripe-twin", 0, at)

    def strike(self, hit: Hit) -> Hit:
        """Kill whom the cell names, now that Stripe has executed and its answer is held."""
        if self.cell.victim is None:
            return hit
        self.killed_pid = self.stand.kill(self.cell.victim)
        return Hit(self.cell.victim, self.killed_pid, datetime.now(UTC))

    def undo(self) -> None:
        self.stand.disarm()
        self.stand.clear_faults()

    def unproven(self, hit: Hit) -> list[str]:
        """What should have been seen of this fault, and by whom, and was not."""
        return self._unproven_crash(hit) + ([] if self.cell.is_the_twins else self._unsaid(hit))

    def _unproven_crash(self, hit: Hit) -> list[str]:
        """Who exits is seen to die and to be started again; nobody dies of anything else."""
        if self.cell.action is not Action.EXIT:
            endings = self.stand.happenings(self.log_position).endings
            return [f"{ending.process} died of it" for ending in endings]
        waited = wait_until(
            lambda: self._crash_seen(hit), bool, deadline_seconds=RESTART_SECONDS_MAX
        )
        if waited.reached:
            return []
        happened = self.stand.happenings(self.log_position)
        return [f"the crash of {hit.process} (pid {hit.pid}) was not seen: {happened}"]

    def _unsaid(self, hit: Hit) -> list[str]:
        """The process says that it acts, once, and not that there was nothing to act on."""
        said = self.stand.log_since(hit.process, self.said_before)
        acts = f"failpoint {self.cell.point.value} acts: {self.cell.action.value}"
        times = said.count(acts)
        problems = [] if times == 1 else [f"{hit.process} said {times} times: {acts}"]
        if NothingToCutError.__name__ in said:
            problems.append(f"{hit.process} found nothing to cut: the fault did not happen")
        return problems

    def _crash_seen(self, hit: Hit) -> bool:
        happened = self.stand.happenings(self.log_position)
        endings = happened.endings_of(hit.process)
        if self.cell.victim is not None:
            ended = any(ending.signal == "SIGKILL" for ending in endings)
        else:
            ended = any(ending.status == EXIT_STATUS for ending in endings)
        return ended and any(pid != hit.pid for pid in happened.spawned_of(hit.process))
