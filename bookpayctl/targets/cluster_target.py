"""The second, narrow port: what only a cluster can do to an environment, beside `Target`.

A target that offers it is one more thing than others are; nothing above asks which platform it is
of. As everywhere, what was done here is no evidence: processes, events and nodes are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from bookpayctl.targets.link import DiversionState
from bookpayctl.targets.target import Target
from bookpayctl.targets.toxic import Toxic
from bookpayctl.targets.witness import Witness


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the cluster.

    Attributes:
        schedulable: new processes may be put there.
        processes: the names of those of this environment that it carries, in the target's order.
    """

    name: str
    schedulable: bool
    processes: tuple[str, ...]


class ClusterAct(StrEnum):
    """What of this port a drill uses, so that it can be asked beforehand whether it may."""

    DELETE = "delete"
    ROLL = "roll"
    DRAIN = "drain"
    DIVERT = "divert"
    WATCH_INSIDE = "watch inside"


class Eviction(StrEnum):
    """What became of a request to let a process leave its node."""

    TAKEN = "taken"
    HELD = "held by its disruption budget"
    GONE = "gone already"


@dataclass(frozen=True, slots=True)
class PostgresInstances:
    """PostgreSQL with standbys, as the operator that keeps it says.

    Attributes:
        keeper: what it is to its operator, for a person.
        primary: the process that takes writes.
        timeline: PostgreSQL's own count of promotions; None before the operator knows it.
        instances: how many processes there are to be.
        ready: how many are.
        synchronous: how many others must have a commit before it is acknowledged.
    """

    keeper: str
    primary: str
    timeline: int | None
    instances: int
    ready: int
    synchronous: int


@runtime_checkable
class ClusterTarget(Target, Protocol):
    """An environment in a cluster. Every method asks or acts now; else a TargetError.

    A node's name is the cluster's; a service's is its own, as in `Target`.
    """

    def why_not_permitted(self, acts: Iterable[ClusterAct]) -> str | None:
        """What of it this account may not do, named; None when it may do all. Changes nothing."""
        ...

    def delete(self, process: str, *, grace_seconds: int) -> str:
        """Delete its object, so that the cluster puts another in its place; its incarnation.

        What is frozen lives on until the grace is over. With a grace of 0 the object is gone at
        once and nobody waits for the end of the process, which its node brings about soon.
        """
        ...

    def revisions(self, service: str) -> dict[str, str]:
        """The revision of each thing that keeps its processes, by name, as its controller says."""
        ...

    def roll(self, service: str, *, deadline_seconds: float) -> None:
        """Replace all its processes as a new version would, and return when none of before is left.

        Raises:
            TargetError: it did not come to its end in time; the message says why.
        """
        ...

    def nodes(self) -> list[Node]: ...

    def cordon(self, node: str) -> None:
        """Put nothing new there; what runs there stays."""
        ...

    def uncordon(self, node: str) -> None:
        """Harmless when it is not cordoned."""
        ...

    def evict(self, process: str) -> Eviction:
        """Ask once for it to leave its node; budgets are the cluster's to keep."""
        ...

    def divert(self, service: str) -> DiversionState:
        """Lead what comes for a service through a proxy, which passes everything on for now.

        Returns when the proxy answers and the service leads to it. Connections that are open stay
        as they are: they do not go through it.
        """
        ...

    def set_toxic(self, service: str, toxic: Toxic | None) -> DiversionState:
        """What the proxy does from now on, None for nothing; when this returns, it does."""
        ...

    def diversion(self, service: str) -> DiversionState:
        """What the proxy tells."""
        ...

    def restore_service(self, service: str) -> None:
        """Lead the service to its own processes again, and remove the proxy; harmless without."""
        ...

    def postgres_instances(self) -> PostgresInstances | None:
        """What PostgreSQL's operator says of it; None where no operator keeps it."""
        ...

    def listen(self, process: str) -> Witness:
        """What it writes from now on, until it ends."""
        ...

    def place_witness(self, process: str, arguments: Sequence[str]) -> Witness:
        """A program of the image beside it, in its own container, with its rights and network.

        Args:
            arguments: of `python -m bookpayctl.targets.container`.
        """
        ...
