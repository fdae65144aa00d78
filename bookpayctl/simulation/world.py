"""Everything of one simulated run, and what the services ask of it: a commit, a call, a note.

Whether an answer comes, and what it says, is drawn here and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from bookpayctl.simulation.decisions import Decisions
from bookpayctl.simulation.kernel import Call, Kernel, SimulatedProcess
from bookpayctl.simulation.log import Log
from bookpayctl.simulation.seeds import Swarm, draw_swarm, stream
from bookpayctl.simulation.settings import WORKER_HTTP_SECONDS
from bookpayctl.simulation.store import OUTBOX, Store, Transaction, UnavailableError
from bookpayctl.simulation.stripe.account import REQUEST_ID, Account, Posted
from runtime.domain.stripe_event import StripeEvent
from runtime.domain.stripe_shape import Answer, NoAnswer, Refusal

_T = TypeVar("_T")

ENVIRONMENT: Final = "simulated"

Note = tuple[float, str, str, str]
"""When, who, of which order, what."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client was told of one POST: ok, fail or unknown."""

    client_key: str
    outcome: str
    order_id: str | None
    amount: int | None


class World:
    """One run.

    Attributes:
        history: everything notable in its order; two runs of one seed have the same.
        swarm_at_start: which faults it has, and how often; the heal ends them.
        counts: how often rare things happened; a run without them proves little.
        alarms: invariants that did not hold at some moment, with subject and words.
        deliver: takes each Stripe event; set by whoever carries webhooks.
    """

    def __init__(self, seed: int, decisions: Decisions) -> None:
        self.seed = seed
        self.decisions = decisions
        self.swarm: Swarm = draw_swarm(seed)
        self.swarm_at_start = self.swarm.rates
        self.kernel = Kernel(self._before_step)
        self.store = Store()
        self.log = Log()
        self.workload = stream(seed, "workload")
        self.net = stream(seed, "net")
        self.psp = stream(seed, "psp")
        self.protocol = stream(seed, "protocol")
        self.history: list[Note] = []
        self.counts: Counter[str] = Counter()
        self.operations: list[Operation] = []
        self.processes: dict[str, SimulatedProcess] = {}
        self.deliver: Callable[[StripeEvent], None] = _dropped
        self.delivered: dict[str, None] = {}
        self.under_way = 0
        self.database_down_until = 0.0
        self.log_down_until = 0.0
        self.halted_until = 0.0
        self.tokens = 0
        self.alarms: list[tuple[str, str, str]] = []
        self.account = Account(
            clock=lambda: self.environment_now,
            rng=self.psp,
            tell=lambda event: self.deliver(event),
            later=self._soon,
            count=self.count,
        )
        swarm = self.swarm
        self._crash, self._freeze = swarm["process.crash"], swarm["process.freeze"]
        self._lost, self._refused = swarm["db.commit_lost"], swarm["db.commit_refused"]

    # --- time and notes -----------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Wall time."""
        return self.kernel.now

    @property
    def environment_now(self) -> float:
        """The environment clock, which is Stripe's, too."""
        return self.kernel.now + self.store.environment_offset

    def note(self, who: str, order_id: str, what: str) -> None:
        """Put something on record."""
        self.history.append((self.kernel.now, who, order_id, what))

    def count(self, what: str) -> None:
        """Something rare has happened."""
        self.counts[what] += 1

    def alarm(self, invariant: str, subject: str, what: str) -> None:
        """Something is wrong at this moment, whatever becomes of it later."""
        self.alarms.append((invariant, subject, what))

    def new_token(self) -> int:
        """A lease's token; there is none that was never a row's."""
        self.tokens += 1
        return self.tokens

    # --- processes ------------------------------------------------------------------------------

    def add(self, process: SimulatedProcess) -> None:
        """A process of the stack; its clock may be off."""
        self.processes[process.name] = process
        skew = self.swarm["clock.skew"]
        if skew.hits():
            process.skew_seconds = skew.rng.uniform(-90.0, 90.0)
        self.kernel.boot(process)

    def _before_step(self, process: SimulatedProcess) -> bool:
        if self._crash.hits():
            self.note(process.name, "", "crashed")
            self.count("a crash")
            self.kernel.crash(process, self._crash.rng.uniform(0.2, 5.0))
            return False
        if self._freeze.hits():
            seconds = self._freeze.rng.choice((0.5, 4.0, 10.0, 25.0)) * self._freeze.rng.random()
            process.frozen_until = self.now + seconds
            self.note(process.name, "", f"frozen for {seconds:.1f} s")
            self.count("a freeze")
            return False
        return True

    # --- the database ---------------------------------------------------------------------------

    def transact(self, work: Callable[[Transaction], _T]) -> _T:
        """Do work in one transaction.

        Raises:
            UnavailableError: it was not committed, or it was and the word was lost.
        """
        if self.database_down_until > self.kernel.now:
            raise UnavailableError
        transaction = Transaction(self.store)
        result = work(transaction)
        if not transaction.writes and not transaction.payment_steps:
            return result
        if self._refused.hits():
            self.count("a commit that was not done")
            if not self.decisions.publish_after_commit:
                self._publish(transaction)
            raise UnavailableError
        self.store.apply(transaction)
        if self._lost.hits():
            self.count("a commit whose answer was lost")
            raise UnavailableError
        return result

    def _publish(self, transaction: Transaction) -> None:
        for (table, _), row in transaction.writes.items():
            if table == OUTBOX and row is not None:
                self.log.append(row, 0, self.now)

    # --- Stripe -----------------------------------------------------------------------------------

    def post(self, posted: Posted) -> Call:
        """Send a POST through the gateway: not received, executed, executed unheard, or a 500.

        Answered with an `Answer`, at the latest when the caller's time is over.
        """
        call, kernel, net = Call(), self.kernel, self.net
        kernel.at(WORKER_HTTP_SECONDS, lambda: kernel.answer(call, NoAnswer(sent=True)))
        lost = self.swarm["psp.request_lost"]
        if lost.hits():
            self.count("a request that was lost")
            if lost.rng.random() < 0.5:
                refused = NoAnswer(sent=lost.rng.random() < 0.5)
                kernel.at(net.uniform(0.001, 0.5), lambda: kernel.answer(call, refused))
            return call
        late = self.swarm["psp.request_late"]
        delay = late.rng.uniform(1.0, 6.0) if late.hits() else net.uniform(0.004, 0.03)
        day = self.store.environment_offset
        kernel.at(delay, lambda: self._arrive(call, posted, day))
        return call

    def _arrive(self, call: Call, posted: Posted, day: float) -> None:
        # No packet outlives the day that a drill lets pass: it is bounded by wall time.
        if self.store.environment_offset != day:
            return
        if self.swarm["psp.busy"].hits():
            busy = Refusal(429, REQUEST_ID, "invalid_request_error", "rate_limit",
                           retry_after_seconds=1.0)  # fmt: skip
            self._reply(call, busy)
            return
        halt = self.swarm["psp.halt"]
        if halt.hits():
            self.halted_until = max(self.halted_until, self.now + halt.rng.uniform(1.0, 30.0))
            self.count("a key of ours that Stripe refused")
        if self.halted_until > self.now:
            self._reply(call, Refusal(401, REQUEST_ID, "invalid_request_error"))
            return
        known = self.account.begin(posted)
        if known is not None:
            self._reply(call, known)
            return
        slow = self.swarm["psp.slow"]
        seconds = slow.rng.uniform(1.0, 8.0) if slow.hits() else self.psp.uniform(0.02, 0.08)
        self.kernel.at(seconds, lambda: self._finish(call, posted))

    def _finish(self, call: Call, posted: Posted) -> None:
        fails = self.swarm["psp.saved_500"].hits()
        if fails:
            self.count("a saved 500")
        self._reply(call, self.account.finish(posted, fails=fails))

    def _reply(self, call: Call, answer: Answer) -> None:
        kernel, lost = self.kernel, self.swarm["psp.reply_lost"]
        if lost.hits():
            self.count("an executed call whose answer was lost")
            if lost.rng.random() < 0.5:
                kernel.at(0.01, lambda: kernel.answer(call, NoAnswer(sent=True)))
            return
        kernel.at(self.net.uniform(0.004, 0.03), lambda: kernel.answer(call, answer))

    def read(self, question: Callable[[], Any]) -> Call:
        """Ask Stripe for what it holds; None as an answer means that none came."""
        call, kernel = Call(), self.kernel
        fails = self.swarm["psp.request_lost"].hits() or self.swarm["psp.reply_lost"].hits()

        def look() -> None:
            clear = not fails and self.halted_until <= self.now
            kernel.answer(call, question() if clear else None)

        kernel.at(self.net.uniform(0.01, 0.06), look)
        return call

    def _soon(self, seconds: float, action: Callable[[], None]) -> None:
        """Something outside happens by itself; until then nothing is at rest."""
        self.under_way += 1

        def act() -> None:
            self.under_way -= 1
            action()

        self.kernel.at(seconds, act)


def _dropped(_event: StripeEvent) -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Role:
    """What every service has: the run it is in, and its own process."""

    world: World
    process: SimulatedProcess
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.process.name

    def note(self, order_id: str, what: str) -> None:
        self.world.note(self.process.name, order_id, what)
