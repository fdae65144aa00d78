"""A cluster that is a few values in memory, for what decides before and after a real one is asked.

It does what it is told and no more: nothing comes again by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from bookpayctl.targets.cluster_target import ClusterTarget, Eviction, Node, PostgresInstances
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.target import Mark, Process, ProcessEnd, ProcessEvents
from tests.support.environments import environment_away


def process(name: str, service: str, *, runs: bool = True) -> Process:
    """A process that runs, or that waits for a node."""
    incarnation, state = (f"{name}.0", "Running") if runs else (None, "Pending")
    return Process(name, service, state, running=runs, ended=False, incarnation=incarnation)


class PretendedCluster:
    """See the module.

    Attributes:
        asked: what was asked for, in order, but for looks.
        placed: where each process is; one that is nowhere waits for a node.
        budgets: how many of each service may be let go.
        broken: what is refused, by the name of the method.
        instances: PostgreSQL's, as an operator tells of them; None without an operator.
    """

    def __init__(self, root: Path, processes: Sequence[Process], nodes: Sequence[str]) -> None:
        self.environment = environment_away(root, name="trial", target="kube")
        self.asked: list[tuple[str, ...]] = []
        self.there = {found.name: found for found in processes}
        self.placed = dict.fromkeys(self.there, nodes[0])
        self.closed: set[str] = set()
        self.budgets: dict[str, int] = {}
        self.ends: list[ProcessEnd] = []
        self.tells_ends = True
        self.broken: Mapping[str, str] = {}
        self.instances: PostgresInstances | None = None
        self._nodes = list(nodes)

    @property
    def target(self) -> ClusterTarget:
        return cast("ClusterTarget", self)

    def processes(self) -> dict[str, Process]:
        return dict(self.there)

    def mark(self) -> Mark:
        return Mark(len(self.ends), {})

    def events(self, since: Mark) -> ProcessEvents:
        told = self.ends[since.record :] if self.tells_ends else []
        return ProcessEvents(ends=tuple(told), starts=())

    def nodes(self) -> list[Node]:
        return [
            Node(
                name,
                schedulable=name not in self.closed,
                processes=tuple(sorted(p for p, at in self.placed.items() if at == name)),
            )
            for name in self._nodes
        ]

    def cordon(self, node: str) -> None:
        self._ask("cordon", node)
        self.closed.add(node)

    def uncordon(self, node: str) -> None:
        """The node takes pods again, and those that waited come to run there."""
        self._ask("uncordon", node)
        self.closed.discard(node)
        for name, found in self.there.items():
            if name not in self.placed:
                self.placed[name] = node
                self.there[name] = process(name, found.service)

    def evict(self, name: str) -> Eviction:
        """It goes, and its successor waits where no other node is; or its budget holds it."""
        self._ask("evict", name)
        gone = self.there[name]
        if self.budgets.get(gone.service, 0) < 1:
            return Eviction.HELD
        self.budgets[gone.service] -= 1
        del self.there[name], self.placed[name]
        self.ends.append(ProcessEnd(name, 0, None))
        successor = f"{name}-next"
        others = [node for node in self._nodes if node not in self.closed]
        if others:
            self.placed[successor] = others[0]
        self.there[successor] = process(successor, gone.service, runs=bool(others))
        return Eviction.TAKEN

    def restore_service(self, service: str) -> None:
        self._ask("restore_service", service)

    def postgres_instances(self) -> PostgresInstances | None:
        if "postgres_instances" in self.broken:
            raise TargetError(self.broken["postgres_instances"])
        return self.instances

    def thaw(self, name: str) -> None:
        """Nobody is frozen here."""

    def _ask(self, *what: str) -> None:
        self.asked.append(what)
        if what[0] in self.broken:
            raise TargetError(self.broken[what[0]])

    def _never(self, *_arguments: object, **_more: object) -> Any:
        raise TargetError("nobody pretends to do this")

    # Without these it would be no cluster's target.
    reserve = why_not_broken = status = kill = stop = start = freeze = _never
    log_since = log_lines = follow = accepts_connections = ask = run_once = _never
    signing_secrets = _never
    why_not_permitted = delete = revisions = roll = divert = set_toxic = diversion = listen = (
        place_witness
    ) = _never
