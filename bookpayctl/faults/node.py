"""A node is drained: nothing new comes to it, and what is on it is asked to leave.

As `kubectl drain` does it, through the eviction API, so that disruption budgets count. Where no
other node takes what leaves, it waits until the node does again, and the budgets hold the rest.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.pod import incarnations
from bookpayctl.faults.process import TimeAway
from bookpayctl.faults.undo import RUNNING_IN_CLUSTER_SECONDS_MAX
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.cluster_target import ClusterTarget, Eviction, Node
from bookpayctl.targets.target import Mark, Process

# Between two rounds of requests: a budget allows the next one when the last one's successor is
# ready, which takes seconds.
_ROUND_SECONDS: Final = 1.0


@dataclass(slots=True)
class Drained:
    """What was seen while the node was being drained.

    Attributes:
        evicted: incarnation of each process that was let go, by name.
        held: how often each was refused by its budget, by name.
        lowest: the fewest processes of each service that ran at one time.
        waiting: those that no node took at the end of it.
        left: those that were still on the node at the end of it.
    """

    evicted: dict[str, str] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)
    lowest: dict[str, int] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    was_unschedulable: bool = False


class NodeDrained(Fault):
    """One node, which is uncordoned again after a while.

    Args:
        services: whose processes are asked to leave.
        seconds: how long they may take, where another node takes them.
        alone_seconds: how long the node stays cordoned where it is the only one.
    """

    def __init__(
        self,
        target: ClusterTarget,
        run: Run,
        *,
        prefix: str,
        services: Collection[str],
        seconds: float,
        alone_seconds: float,
        observe: Callable[[str], None],
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.cluster = target
        self.services = frozenset(services)
        self.window: TimeAway | None = None
        self.drained = Drained()
        self.before: Mapping[str, int] = {}
        self.is_alone = False
        self._node = ""
        self._seconds = seconds
        self._alone_seconds = alone_seconds
        self._observe = observe
        self._since: Mark | None = None

    def plan_undo(self) -> None:
        """Choose the node, too: which one it was must be on disk before it is touched."""
        nodes = self.cluster.nodes()
        self._node = fullest(nodes)
        self.is_alone = not any(node.schedulable for node in nodes if node.name != self._node)
        self._plan(undo.PROCESSES_RUNNING)
        self._plan(undo.UNCORDON_NODE, node=self._node)

    def inject(self) -> None:
        """Drain it, and return when it takes pods again and as many as before run."""
        self._since = self.target.mark()
        self.before = running_of(self.target.processes().values(), self.services)
        self.drained.lowest = dict(self.before)
        began_at = time.time()
        self.cluster.cordon(self._node)
        self.run.journal("cordoned", node=self._node)
        self._observe(f"draining {self._node}")
        wait_until(
            self._ask_to_leave,
            lambda left: not left,
            deadline_seconds=self._alone_seconds if self.is_alone else self._seconds,
            every_seconds=_ROUND_SECONDS,
        )
        self._look()
        self.window = TimeAway(began_at, time.time())
        self.cluster.uncordon(self._node)
        self.run.journal("uncordoned", node=self._node, evicted=sorted(self.drained.evicted))
        wait_until(
            lambda: running_of(self.target.processes().values(), self.services),
            lambda now: not fewer(self.before, now),
            deadline_seconds=RUNNING_IN_CLUSTER_SECONDS_MAX,
        )

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """The node was cordoned, and whoever left it ended there and runs as another one."""
        title = "the node was drained"
        required = "unschedulable, each evicted pod's end on its kubelet's record, its UID gone"
        drained, since = self.drained, self._since
        if since is None or not drained.evicted or not drained.was_unschedulable:
            reason = f"{self._node}: {len(drained.evicted)} evicted"
            return [self._unproven("node-drained", title, required, reason)]
        waited = wait_until(
            lambda: self._unproven_of(since),
            lambda left: not left,
            deadline_seconds=deadline_seconds,
        )
        if not waited.reached:
            reason = f"not seen to have left: {', '.join(waited.value)}"
            return [self._unproven("node-drained", title, required, reason)]
        return [
            self._proven(
                "node-drained",
                title,
                required,
                f"{self._node}: {len(drained.evicted)} evicted, {drained.held.total()} requests"
                f" refused by budgets, {len(drained.waiting)} waited for a node",
                len(drained.evicted),
                tuple(f"{name} ({run})" for name, run in sorted(drained.evicted.items())),
            )
        ]

    def _ask_to_leave(self) -> tuple[str, ...]:
        """Ask each of them that is on the node once; those that are left there."""
        self._look()
        processes = self.target.processes()
        for name in self.drained.left:
            process = processes.get(name)
            if process is None or process.incarnation is None:
                continue
            match self.cluster.evict(name):
                case Eviction.TAKEN:
                    self.drained.evicted[name] = process.incarnation
                case Eviction.HELD:
                    self.drained.held[name] += 1
                case Eviction.GONE:
                    # It left by itself between the look and the request.
                    continue
        return self.drained.left

    def _look(self) -> None:
        """Note what there is to see now."""
        processes, nodes, drained = self.target.processes(), self.cluster.nodes(), self.drained
        node = next((node for node in nodes if node.name == self._node), None)
        if node is None:
            raise FaultError(f"the cluster has no node {self._node} any more")
        drained.was_unschedulable = not node.schedulable
        drained.left = tuple(
            name
            for name in node.processes
            if name in processes and processes[name].service in self.services
        )
        placed = {name for found in nodes for name in found.processes}
        drained.waiting = tuple(name for name in processes if name not in placed)
        now = running_of(processes.values(), self.services)
        for service in drained.lowest:
            drained.lowest[service] = min(drained.lowest[service], now.get(service, 0))

    def _unproven_of(self, since: Mark) -> list[str]:
        """The evicted whose end is not on record, or who still run."""
        events = self.target.events(since)
        running = set(incarnations(self.target.processes().values()).values())
        return [
            name
            for name, incarnation in self.drained.evicted.items()
            if incarnation in running or not events.ends_of(name)
        ]


def fullest(nodes: Iterable[Node]) -> str:
    """The schedulable node with the most processes of the environment.

    Raises:
        FaultError: there is none; one that is cordoned already is somebody else's work.
    """
    open_ones = [node for node in nodes if node.schedulable and node.processes]
    if not open_ones:
        raise FaultError("no schedulable node carries a process of this environment")
    return max(open_ones, key=lambda node: (len(node.processes), node.name)).name


def running_of(processes: Iterable[Process], services: Collection[str]) -> dict[str, int]:
    """How many processes of each of these services run."""
    return dict(
        Counter(
            process.service
            for process in processes
            if process.running and process.service in services
        )
    )


def fewer(before: Mapping[str, int], now: Mapping[str, int]) -> list[str]:
    """The services of which fewer run than before."""
    return [service for service, count in before.items() if now.get(service, 0) < count]
