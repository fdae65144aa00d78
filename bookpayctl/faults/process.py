"""Faults of processes: one is away for a while, or each is killed again and again."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.undo import RUNNING_SECONDS_MAX, running_seconds_max
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import Waited, wait_until
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.target import Mark, Process, ProcessEvents, Target, named


@dataclass(frozen=True, slots=True)
class TimeAway:
    """When a process was away, in wall-clock seconds."""

    began_at: float
    ended_at: float


class ProcessAway(Fault):
    """One process is stopped, stays away for a while, and is started again.

    In a cluster what keeps it is scaled to zero and back, which is why those that come again are
    counted: they are others.

    Args:
        process: its name, or that of a service or server, which is all of its processes.
        meanwhile: done while it is away, before the time that it stays away.
    """

    def __init__(
        self,
        target: Target,
        run: Run,
        *,
        prefix: str,
        process: str,
        seconds: float,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.process = process
        self.seconds = seconds
        self._meanwhile = meanwhile
        self.window: TimeAway | None = None
        self._refused = False
        self._before = self._after = 0

    def plan_undo(self) -> None:
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        self._before = len(self._running())
        self.target.stop(self.process)
        began_at, away_at_begin = time.time(), self._is_away()
        self._meanwhile()
        # The length of the outage is the experiment; nothing is waited for.
        threading.Event().wait(self.seconds)
        self._refused = away_at_begin and self._is_away()
        self.window = TimeAway(began_at, time.time())
        self.target.start(self.process)
        back = wait_until(
            lambda: len(self._running()),
            lambda now: now >= self._before,
            deadline_seconds=running_seconds_max(self.target),
        )
        self._after = back.value

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        del deadline_seconds  # what there is to see was seen while it was away
        title = "the part was away"
        required = (
            "nothing of it runs and its port refuses, at the begin and the end of"
            f" {self.seconds:.0f} s; then as many as before"
        )
        window = self.window
        if window is None or not self._refused or not self._before:
            return [self._unproven("part-away", title, required, f"{self.process} still answered")]
        if self._after < self._before:
            reason = f"{self._after} of {self._before} came again"
            return [self._unproven("part-away", title, required, f"{self.process}: {reason}")]
        seconds = window.ended_at - window.began_at
        observed = (
            f"{self.process} refused connections for {seconds:.1f} s; {self._after} run again"
        )
        return [self._proven("part-away", title, required, observed, 2)]

    def _running(self) -> list[Process]:
        return [now for now in named(self.target.processes(), self.process) if now.running]

    def _is_away(self) -> bool:
        return not self._running() and not self.target.accepts_connections(self.process)


class ProcessKilled(Fault):
    """One process is killed once, with SIGKILL; its parent is left to start it again."""

    def __init__(self, target: Target, run: Run, *, prefix: str, process: str) -> None:
        super().__init__(target, run, prefix=prefix)
        self.process = process
        self.window: TimeAway | None = None
        self._since: Mark | None = None
        self._killed: str | None = None

    def plan_undo(self) -> None:
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        """Kill it, and return when its parent has a new one, or has had a minute for that."""
        self._since, began_at = self.target.mark(), time.time()
        self._killed = self.target.kill(self.process)
        if self._killed is None:
            raise FaultError(f"{self.process} does not run, so it cannot be killed")
        wait_for_successor(
            lambda: self.target.processes().get(self.process),
            self._killed,
            deadline_seconds=RUNNING_SECONDS_MAX,
        )
        self.window = TimeAway(began_at, time.time())

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """Its parent saw it end by SIGKILL, and started another one."""
        title = "the process was killed and restarted"
        required = "its parent saw SIGKILL and started a new one"
        since = self._since
        if since is None:
            return [self._unproven("process-killed", title, required, "it was never killed")]
        waited = wait_until(
            lambda: self.target.events(since),
            lambda seen: is_kill_seen(seen, self.process, self._killed),
            deadline_seconds=deadline_seconds,
        )
        ends = waited.value.ends_of(self.process)
        starts = waited.value.starts_of(self.process)
        seen = f"{self.process} ({self._killed}): {', '.join(map(str, ends))} -> {starts}"
        if not waited.reached:
            return [self._unproven("process-killed", title, required, f"{seen}; not proven")]
        return [self._proven("process-killed", title, required, seen, len(ends))]


class ProcessFrozen(Fault):
    """One process stands still for a while, with its connections, and goes on."""

    def __init__(
        self, target: Target, run: Run, *, prefix: str, process: str, seconds: float
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.process = process
        self.seconds = seconds
        self._silent = self._awake = False

    def plan_undo(self) -> None:
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        """Freeze it, and let it go on when its time is over."""
        self.target.freeze(self.process)
        try:
            silent = not self._answers()
            # The length of its sleep is the experiment; nothing is waited for.
            threading.Event().wait(self.seconds)
            self._silent = silent and not self._answers()
        finally:
            self.target.thaw(self.process)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """It did not answer at the begin and the end of its sleep, and does again."""
        title = "the process stood still and went on"
        required = f"no answer at the begin and the end of {self.seconds:.0f} s, then one"
        self._awake = wait_until(self._answers, bool, deadline_seconds=deadline_seconds).value
        seen = f"{self.process}: silent: {self._silent}, awake: {self._awake}"
        if not (self._silent and self._awake):
            return [self._unproven("process-frozen", title, required, seen)]
        return [self._proven("process-frozen", title, required, seen, 2)]

    def _answers(self) -> bool:
        return self.target.ask(self.process, "/healthz").status == 200


def wait_for_successor(
    look: Callable[[], Process | None], killed: str, *, deadline_seconds: float
) -> Waited[Process | None]:
    """Wait until the process that `look` finds runs again, as another one than was killed."""
    return wait_until(
        look,
        lambda now: now is not None and now.running and now.incarnation != killed,
        deadline_seconds=deadline_seconds,
        every_seconds=0.05,
    )


def is_kill_seen(events: ProcessEvents, process: str, killed: str | None) -> bool:
    """Whether the parent saw the process end by SIGKILL, and come again as another one."""
    died = any(end.signal == "SIGKILL" for end in events.ends_of(process))
    return died and bool(events.successors_of(process, killed))


@dataclass(frozen=True, slots=True)
class Kill:
    """One process killed, and how long until its parent had a new one; None when it had none."""

    process: str
    incarnation: str
    back_seconds: float | None


class RepeatedKills(Fault):
    """Each of some processes is killed, in an order drawn from a seed; rounds until the time ends.

    Only processes that the target reports as this environment's are ever killed.

    Args:
        rest_seconds: how long all are left alone after each kill that has a successor.
    """

    def __init__(
        self,
        target: Target,
        run: Run,
        *,
        prefix: str,
        victims: Sequence[str],
        seed: int,
        seconds: float,
        back_seconds_max: float,
        observe: Callable[[str], None],
        rest_seconds: float = 0.0,
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.victims = tuple(victims)
        self.kills: list[Kill] = []
        self._rng = random.Random(f"{seed}/storm")
        self._seconds = seconds
        self._back_seconds_max = back_seconds_max
        self._observe = observe
        self._rest_seconds = rest_seconds
        self._since: Mark | None = None
        self.window: TimeAway | None = None

    def plan_undo(self) -> None:
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        self._since, began_at = self.target.mark(), time.time()
        ends_at = time.monotonic() + self._seconds
        while time.monotonic() < ends_at:
            round_of = list(self.victims)
            self._rng.shuffle(round_of)
            for process in round_of:
                if time.monotonic() >= ends_at:
                    break
                self._kill(process)
                # The pace of the storm; nothing is waited for.
                threading.Event().wait(self._rest_seconds)
            self._observe(f"{len(self.kills)} kills so far")
        self.window = TimeAway(began_at, time.time())

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """The parent, who alone can know, saw every victim end by SIGKILL at least once."""
        del deadline_seconds  # the storm is over: a kill the parent has not seen was none
        title = "every process was killed"
        required = f"SIGKILL seen by its parent for each of {len(self.victims)} processes"
        ends = () if self._since is None else self.target.events(self._since).ends
        by_kill = Counter(end.process for end in ends if end.signal == "SIGKILL")
        missing = [name for name in self.victims if not by_kill[name]]
        if missing or not self.victims:
            reason = f"not killed: {', '.join(missing) or 'nobody'}; make --duration longer"
            return [self._unproven("all-killed", title, required, reason)]
        return [
            self._proven(
                "all-killed",
                title,
                required,
                f"{len(self.kills)} kills, {sum(by_kill.values())} ends by SIGKILL on record",
                len(self.kills),
                tuple(f"{name} x {by_kill[name]}" for name in sorted(self.victims)),
            )
        ]

    def _kill(self, name: str) -> None:
        """Kill one process, if it runs just then, and wait for its successor."""
        before = self._process(name)
        killed = None if before is None or not before.running else self.target.kill(name)
        if killed is None:
            return
        waited = wait_for_successor(
            lambda: self._process(name), killed, deadline_seconds=self._back_seconds_max
        )
        kill = Kill(name, killed, waited.seconds if waited.reached else None)
        self.kills.append(kill)
        self.run.journal("killed", process=name, incarnation=killed, back_seconds=kill.back_seconds)

    def _process(self, name: str) -> Process | None:
        try:
            return self.target.processes().get(name)
        except TargetError as error:
            self.run.journal("target_mute", error=str(error))
            return None
