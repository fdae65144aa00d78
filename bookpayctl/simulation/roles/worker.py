"""The payments worker: inbox, claims, attempts and refunds.

`runtime/services/payments_worker`: `ingest.py`, `executor.py`, `attempt.py`. An attempt holds no
connection while Stripe is asked, and its result counts only under its lease.
"""

from __future__ import annotations

from collections.abc import Callable

from bookpayctl.simulation.kernel import SimulatedProcess, Task
from bookpayctl.simulation.log import SimulatedRecord
from bookpayctl.simulation.roles.consuming import consume, leave_when_silent
from bookpayctl.simulation.roles.gateway import charge_request, refund_request
from bookpayctl.simulation.settings import CLAIM_BATCH, LEASE_SECONDS, SEND_WITHIN_SECONDS
from bookpayctl.simulation.steps import payments, queue, refunds
from bookpayctl.simulation.steps.payments import Cause, ContradictionError
from bookpayctl.simulation.steps.queue import Claim
from bookpayctl.simulation.steps.refunds import RefundClaim
from bookpayctl.simulation.store import Transaction, UnavailableError
from bookpayctl.simulation.world import Role, World
from runtime.domain.circuit import Circuit
from runtime.domain.names import Service, Topic
from runtime.domain.outcome import Halt, Outcome, Retry, Unknown
from runtime.domain.payment_events import Answered
from runtime.domain.refund import RefundAnswered
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.domain.stripe_shape import Shown

LOOK_AROUND_SECONDS = 0.25
IDLE_SECONDS_MAX = 1.0
PERSIST_TRIES_MAX = 20


class Worker(Role):
    """One worker process; what is here is gone with it."""

    def __init__(self, world: World, process: SimulatedProcess) -> None:
        super().__init__(world, process)
        process.start = self.start
        process.ended = lambda: leave_when_silent(world, process, Service.WORKER)

    def start(self) -> list[Task]:
        self.circuit = Circuit()
        self.orphans: dict[int, float] = {}
        self.looked_around_at = -1.0
        return [consume(self.world, self.process, Service.WORKER, self.ingest), self.claims()]

    # --- ingest ---------------------------------------------------------------------------------

    def ingest(self, records: list[SimulatedRecord]) -> None:
        """`ingest.Ingest._store`: store a batch and lease what is new, in one transaction."""
        claims: list[Claim] = []

        def work(tx: Transaction) -> None:
            new = [
                record.event.root
                for record in records
                if record.topic == Topic.ORDERS_PLACED
                and queue.insert_placed(self.world, tx, record)
            ]
            for record in records:
                if record.topic == Topic.ORDERS_CANCELLED:
                    came_to = queue.cancel(self.world, tx, record.event)
                    self.note(record.event.order_id, f"hears of the cancellation: {came_to}")
            if not self.circuit.is_open:
                claims.extend(queue.claim_inserted(self.world, tx, self.process, new))

        self._leasing(work, claims)

    def _leasing(self, work: Callable[[Transaction], None], claims: list[Claim]) -> None:
        """Start what was leased; without a clear answer, remember it as nobody's."""
        try:
            self.world.transact(work)
        except UnavailableError:
            until = self.world.now + LEASE_SECONDS
            self.orphans.update((claim.token, until) for claim in claims)
            raise
        for claim in claims:
            self.world.kernel.spawn(self.process, self._charge(claim, self.world.environment_now))

    # --- claims ---------------------------------------------------------------------------------

    def claims(self) -> Task:
        """`Executor.run_once`, for ever: idle looks grow rarer."""
        wait = 0.1
        while True:
            try:
                found = self._claim_round()
            except UnavailableError:
                found = 0
            wait = 0.05 if found else min(wait * 1.5, IDLE_SECONDS_MAX)
            yield wait

    def _claim_round(self) -> int:
        world, store = self.world, self.world.store
        now = world.now
        allowed = self.circuit.allowance(now, CLAIM_BATCH)
        if allowed == 0 or not (store.open_payments or store.open_refunds):
            return 0
        self.orphans = {token: at for token, at in self.orphans.items() if at > now}
        claims: list[Claim] = []
        refund_claims: list[RefundClaim] = []

        def work(tx: Transaction) -> None:
            if now - self.looked_around_at >= LOOK_AROUND_SECONDS:
                self.looked_around_at = now
                queue.give_up_leases(world, tx, self.process, self.orphans)
                refund_claims.extend(refunds.claim_due(world, tx, self.process)[:allowed])
            room = allowed - len(refund_claims)
            claims.extend(queue.claim_due(world, tx, self.process, room))

        self._leasing(work, claims)
        for claim in refund_claims:
            world.kernel.spawn(self.process, self._refund(claim, world.environment_now))
        if claims or refund_claims:
            self.circuit = self.circuit.probe_sent()
        return len(claims) + len(refund_claims)

    # --- attempts -------------------------------------------------------------------------------

    def _is_late(self, claimed_at: float) -> bool:
        """`Executor._attempt`: held up between the claim and here."""
        # A day that a drill lets pass is a day to this clock, as to every other.
        late = self.world.environment_now > claimed_at + SEND_WITHIN_SECONDS
        if late:
            self.world.count("an attempt too late to be sent")
        return late and not self.world.decisions.sends_late

    def _charge(self, claim: Claim, claimed_at: float) -> Task:
        """`AttemptRunner.charge`."""
        world, row = self.world, claim.row
        yield world.net.uniform(0.0005, 0.005)
        if self._is_late(claimed_at):
            return
        posted, asked = charge_request(world, row)
        self.note(row.order_id, f"posts the charge under key {posted.key}, lease {claim.token}")
        answer = yield world.post(posted)
        outcome = world.decisions.outcome_of_charge(answer, asked)
        self.note(row.order_id, f"is answered {outcome}, lease {claim.token}")
        event, cause = Answered(outcome), Cause(self.name, claim.token)
        yield from self._persist(lambda tx: payments.apply(world, tx, row.event_id, event, cause))
        self._feed_circuit(outcome)

    def _refund(self, claim: RefundClaim, claimed_at: float) -> Task:
        """`AttemptRunner.refund`."""
        world, row = self.world, claim.row
        yield world.net.uniform(0.0005, 0.005)
        if self._is_late(claimed_at):
            return
        posted, asked = refund_request(world, row)
        self.note("", f"posts refund {row.refund_id} under key {posted.key}")
        answer = yield world.post(posted)
        outcome = world.decisions.outcome_of_refund(answer, asked)
        self.note("", f"is answered {outcome} for refund {row.refund_id}")
        # Only an answer that shows the refund names it.
        made = str(answer.document["id"]) if isinstance(answer, Shown) else None
        event = RefundAnswered(outcome, made)
        yield from self._persist(
            lambda tx: refunds.apply(world, tx, row.refund_id, event, self.name, claim.token)
        )
        self._feed_circuit(outcome)

    def _persist(self, write: Callable[[Transaction], object]) -> Task:
        """`AttemptRunner._persist`: keep trying a while; then the lease runs out."""
        for failures in range(1, PERSIST_TRIES_MAX + 1):
            try:
                self.world.transact(write)
            except UnavailableError:
                yield CONNECTION_BACKOFF.delay_seconds(failures, self.world.protocol)
            except ContradictionError:
                self.world.count("an attempt that broke")
                return
            else:
                return

    def _feed_circuit(self, outcome: Outcome) -> None:
        """`Executor._update_circuit`."""
        now = self.world.now
        match outcome:
            case Halt():
                self.circuit = self.circuit.halted(now, outcome.reason)
            case Retry(unreached=True):
                self.circuit = self.circuit.unreached(now, outcome.reason)
            case Retry() | Unknown():
                self.circuit = self.circuit.undecided(now)
            case _:
                self.circuit = self.circuit.answered()
