"""A partition: between a service and its callers nothing passes for a while, or all is reset.

A proxy is put before the service while everything is well, and the callers are led through it:
those that hold connections from before are restarted, or their sessions ended. Only then is it
told to let nothing pass. A NetworkPolicy would be less: it may leave connections be that are open.

What it did is told by a canary, a program in the pod of a caller, which asks on a connection that
was open before and on new ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bookpayctl.faults import undo
from bookpayctl.faults.canary import KEPT, NEW, LinkCut, ToxicTimes, answers_of, cut_in
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.process import TimeAway
from bookpayctl.faults.sessions import end_foreign_sessions
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.cluster_target import ClusterTarget
from bookpayctl.targets.link import DiversionState
from bookpayctl.targets.target import named
from bookpayctl.targets.toxic import Toxic, Toxicity
from bookpayctl.targets.witness import Witness

ROLL_SECONDS_MAX: Final = 240.0
CANARY_SECONDS: Final = 300
_ANSWERED_SECONDS_MAX: Final = 60.0

# Whoever asks for a name may have been told the old address: a cluster's DNS says it for 5 s.
QUIET_SECONDS: Final = 8.0
_REROUTED_SECONDS_MAX: Final = 90.0


@dataclass(frozen=True, slots=True)
class PodLink:
    """A way between pods that can be cut.

    Attributes:
        service: who is cut off from its callers.
        callers: services whose processes are restarted, so that none has a connection from before;
            empty where sessions can be ended instead.
        watcher: the service beside whose process the canary asks.
        canary: what it asks, as arguments.
    """

    service: str
    callers: tuple[str, ...]
    watcher: str
    canary: tuple[str, ...]


class Partition(Fault):
    """One link is cut for a while.

    Args:
        how: HOLD, BLACK_HOLE or RESET.
    """

    def __init__(
        self,
        target: ClusterTarget,
        run: Run,
        *,
        prefix: str,
        link: PodLink,
        how: Toxicity,
        seconds: float,
        observe: Callable[[str], None],
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.cluster = target
        self.link = link
        self.how = how
        self.window: TimeAway | None = None
        self._seconds = seconds
        self._observe = observe
        self._canary: Witness | None = None
        self._times = ToxicTimes(0.0, 0.0, 0.0)
        self._state: DiversionState | None = None

    def plan_undo(self) -> None:
        self._plan(undo.PROCESSES_RUNNING)
        self._plan(undo.RESTORE_SERVICE, service=self.link.service)

    def prepare(self) -> None:
        """Lead the callers through the proxy, which passes everything; nothing is cut yet.

        Raises:
            FaultError: somebody still goes another way, or the canary gets no answer.
        """
        service = self.link.service
        self._observe(f"leading {service} through a proxy")
        state = self.cluster.divert(service)
        self.run.journal("diverted", service=service, proxy=state.address)
        for caller in self.link.callers:
            self._observe(f"restarting {caller}, so that it holds no connection from before")
            self.cluster.roll(caller, deadline_seconds=ROLL_SECONDS_MAX)
        if not self.link.callers:
            self._end_other_sessions(state.address)
        self._canary = self._placed()

    def inject(self) -> None:
        """Cut it, and return when it passes again and the canary is answered.

        Raises:
            FaultError: it was never led through the proxy.
        """
        if self._canary is None:
            raise FaultError(f"{self.link.service} is not led through a proxy yet")
        began_at = time.time()
        # Its own end comes later than ours: it is there for when ours does not come.
        toxic = Toxic(self.how, seconds=2 * self._seconds + 1.0)
        ordered = time.monotonic()
        self.cluster.set_toxic(self.link.service, toxic)
        began = time.monotonic()
        self.run.journal("cut", service=self.link.service, how=self.how.value)
        # The length of the cut is the experiment; nothing is waited for.
        threading.Event().wait(self._seconds)
        self._state = self.cluster.diversion(self.link.service)
        ended = time.monotonic()
        self._times = ToxicTimes(ordered, began, ended)
        self.cluster.set_toxic(self.link.service, None)
        self.window = TimeAway(began_at, time.time())
        self.run.journal("passes", service=self.link.service)
        self._canary.wait_for(
            lambda lines: any(at > ended for at in answers_of(lines, NEW)),
            deadline_seconds=_ANSWERED_SECONDS_MAX,
        )

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """The canary was answered before, on both connections, and on neither meanwhile."""
        del deadline_seconds  # the cut is over: what was not heard of it never will be
        lines = [] if self._canary is None else self._canary.heard()
        if self._canary is not None:
            self._canary.dismiss()
        kept, new = (cut_in(lines, kind, self._times) for kind in (KEPT, NEW))
        return [
            self._cut_item("old-connection-cut", "an open connection", kept),
            self._cut_item("new-connection-cut", "new connections", new),
        ]

    def _cut_item(self, name: str, what: str, seen: LinkCut) -> Item:
        title = f"{what} was cut" if name.startswith("old") else f"{what} were cut"
        required = "the canary asked, and was answered before the cut and never while it lasted"
        state = self._state
        proxy = "" if state is None else f"; the proxy struck {state.struck}"
        told = f"{seen.before} answers before, {seen.answered} of {seen.asked} meanwhile{proxy}"
        if not seen.is_cut or state is None:
            return self._unproven(name, title, required, f"{what}: {told}")
        peers = tuple(f"{peer} had a connection through the proxy" for peer in state.peers)
        return self._proven(name, title, required, told, seen.asked, peers)

    def _placed(self) -> Witness:
        """The canary, once it was answered on both kinds of connection."""
        running = [one for one in named(self.target.processes(), self.link.watcher) if one.running]
        if not running:
            raise FaultError(f"no process of {self.link.watcher} runs, where a canary could ask")
        arguments = ("canary", *self.link.canary, f"--seconds={CANARY_SECONDS}")
        canary = self.cluster.place_witness(running[0].name, arguments)
        answered = canary.wait_for(
            lambda lines: bool(answers_of(lines, KEPT)) and bool(answers_of(lines, NEW)),
            deadline_seconds=_ANSWERED_SECONDS_MAX,
        )
        if not answered.reached:
            last = answered.value[-1].text if answered.value else "no word"
            raise FaultError(f"the canary in {canary.name} is not answered: {canary.end or last}")
        return canary

    def _end_other_sessions(self, proxy: str) -> None:
        """End sessions that do not come through the proxy, until none has come for a while."""
        dsn, quiet_since = self.target.environment.dsn, time.monotonic()

        def quiet_seconds() -> float:
            nonlocal quiet_since
            if end_foreign_sessions(dsn, proxy):
                quiet_since = time.monotonic()
            return time.monotonic() - quiet_since

        waited = wait_until(
            quiet_seconds,
            lambda seconds: seconds >= QUIET_SECONDS,
            deadline_seconds=_REROUTED_SECONDS_MAX,
            every_seconds=0.5,
        )
        if not waited.reached:
            raise FaultError("sessions of the database still come by another way than the proxy")
