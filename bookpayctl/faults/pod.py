"""A pod is deleted: the cluster ends its process with little notice and puts another one there."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping

from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.process import TimeAway
from bookpayctl.faults.undo import RUNNING_IN_CLUSTER_SECONDS_MAX
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.cluster_target import ClusterTarget
from bookpayctl.targets.target import Mark, Process, ProcessEvents, named


class PodDeleted(Fault):
    """One pod of a service, drawn from a seed, is deleted with a grace of one second."""

    GRACE_SECONDS = 1

    def __init__(
        self, target: ClusterTarget, run: Run, *, prefix: str, service: str, seed: int
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.cluster = target
        self.service = service
        self.window: TimeAway | None = None
        self.deleted = ""
        self._rng = random.Random(f"{seed}/pod")
        self._since: Mark | None = None
        self._before: Mapping[str, str] = {}

    def plan_undo(self) -> None:
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        """Delete it, and return when as many as before run, or have had their time for that."""
        self._since = self.target.mark()
        self._before = incarnations(named(self.target.processes(), self.service))
        if not self._before:
            raise FaultError(f"no process of {self.service} runs, so none can be deleted")
        self.deleted = self._rng.choice(sorted(self._before))
        began_at = time.time()
        incarnation = self.cluster.delete(self.deleted, grace_seconds=self.GRACE_SECONDS)
        self.run.journal("deleted", process=self.deleted, incarnation=incarnation)
        wait_until(
            lambda: incarnations(named(self.target.processes(), self.service)),
            lambda now: self.deleted not in now and len(now) >= len(self._before),
            deadline_seconds=RUNNING_IN_CLUSTER_SECONDS_MAX,
        )
        self.window = TimeAway(began_at, time.time())

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """The API server knows it no more, its kubelet told of its end, and another one runs."""
        title = "the pod was deleted and replaced"
        required = "its UID is gone, its kubelet saw it end, and another pod runs in its place"
        since = self._since
        if since is None or not self.deleted:
            return [self._unproven("pod-replaced", title, required, "it was never deleted")]
        waited = wait_until(
            lambda: (self.target.processes().values(), self.target.events(since)),
            lambda seen: is_replaced(self.deleted, self._before, *seen, service=self.service),
            deadline_seconds=deadline_seconds,
        )
        now, events = waited.value
        ends = ", ".join(map(str, events.ends_of(self.deleted))) or "no end on record"
        new = sorted(successors(self._before, now, service=self.service))
        seen = f"{self.deleted} ({self._before[self.deleted]}): {ends} -> {', '.join(new) or '-'}"
        if not waited.reached:
            return [self._unproven("pod-replaced", title, required, f"{seen}; not proven")]
        return [self._proven("pod-replaced", title, required, seen, len(new))]


def incarnations(processes: Iterable[Process]) -> dict[str, str]:
    """Those of the running ones, by name."""
    return {
        process.name: process.incarnation
        for process in processes
        if process.running and process.incarnation is not None
    }


def successors(
    before: Mapping[str, str], now: Iterable[Process], *, service: str
) -> dict[str, str]:
    """The running processes of a service that did not run before, by name."""
    known = set(before.values())
    running = incarnations(process for process in now if process.service == service)
    return {name: found for name, found in running.items() if found not in known}


def is_replaced(
    deleted: str,
    before: Mapping[str, str],
    now: Iterable[Process],
    events: ProcessEvents,
    *,
    service: str,
) -> bool:
    """Whether it is gone, its end is on record, and a successor of it is there that was not."""
    there = list(now)
    gone = before[deleted] not in incarnations(there).values()
    new = successors(before, there, service=service)
    begun = any(found in events.starts_of(name) for name, found in new.items())
    return gone and bool(events.ends_of(deleted)) and begun
