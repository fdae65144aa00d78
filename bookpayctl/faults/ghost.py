"""A ghost: a process that the cluster counts no more, and that runs beside its own successor.

It is frozen while it holds leases, then its pod is deleted with a long notice: another pod takes
its place at once, and the container lives on, since what is frozen cannot hear that it shall end.
It is woken in between, when its leases are others' by then, hears it, and brings what it still
has. What it does is told by a witness that was placed in its container before, and by its log.

Not by force: since the kubelet keeps to a grace of 0, what is deleted by force ends within a
second or two, before it has a successor, and long before its leases are anybody else's.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.database import reading
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.pod import incarnations, successors
from bookpayctl.faults.process import TimeAway
from bookpayctl.faults.undo import RUNNING_IN_CLUSTER_SECONDS_MAX
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.cluster_target import ClusterTarget
from bookpayctl.targets.target import named
from bookpayctl.targets.witness import HeardLine, Witness
from runtime.domain.names import PaymentState

_LEASES_SECONDS_MAX: Final = 20.0
_WITNESS_SECONDS_MAX: Final = 20.0
# From its waking on: a worker that is told to end takes fifteen seconds at most.
_ENDING_SECONDS: Final = 30
_OUTLIVES_SECONDS_MAX: Final = 60.0

FROZEN: Final = "T"
GONE: Final = "gone"


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A payment that was being charged by one process, under a token of its own."""

    owner: str
    event_id: str
    order_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Haunting:
    """What the witness saw of the ghost.

    Attributes:
        frozen_before: it stood still before it was deleted.
        after_given_up: how often it was seen when the cluster counted it no more.
        beside_successor: how often when its successor ran as well.
        awake: how often it was seen running again after it was frozen.
        ended: it was seen to be gone.
    """

    frozen_before: bool
    after_given_up: int
    beside_successor: int
    awake: int
    ended: bool

    @property
    def is_proven(self) -> bool:
        return self.frozen_before and self.after_given_up > 0 and self.beside_successor > 0


class GhostPod(Fault):
    """One pod of a service becomes a ghost.

    Args:
        wake_seconds: from the witness's begin until the frozen process goes on.
    """

    def __init__(
        self, target: ClusterTarget, run: Run, *, prefix: str, service: str, wake_seconds: float
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.cluster = target
        self.service = service
        self.ghost = ""
        self.leases: tuple[HeldLease, ...] = ()
        self.window: TimeAway | None = None
        self.log: Witness | None = None
        self._wake_seconds = wake_seconds
        self._witness: Witness | None = None
        self._deleted_at = self._given_up_at = self._successor_at = float("inf")
        self._successors: dict[str, str] = {}

    def plan_undo(self) -> None:
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        """Make it, and return when it has ended, or has had its time for that.

        Raises:
            FaultError: nobody holds a lease, or it could not be watched or frozen.
        """
        before = incarnations(named(self.target.processes(), self.service))
        self.ghost = self._one_that_charges(set(before))
        self._witness = self._placed()
        self.log = self.cluster.listen(self.ghost)
        began_at = time.time()
        self.target.freeze(self.ghost)
        self.leases = tuple(one for one in self._leases() if one.owner == self.ghost)
        if not self.leases:
            raise FaultError(f"{self.ghost} held no lease when it was frozen; nothing to fence")
        if not self._hears_state(FROZEN):
            raise FaultError(f"{self.ghost} was not seen to stand still")
        self._deleted_at = time.monotonic()
        notice = math.ceil(self._wake_seconds) + _ENDING_SECONDS
        self.cluster.delete(self.ghost, grace_seconds=notice)
        self.run.journal("deleted", process=self.ghost, leases=len(self.leases), notice=notice)
        self._see_successor(before)
        self._witness.wait_for(
            lambda lines: bool(lines) and state_in(lines[-1]) == GONE,
            deadline_seconds=self._wake_seconds + _OUTLIVES_SECONDS_MAX,
        )
        self.window = TimeAway(began_at, time.time())

    def haunting(self) -> Haunting:
        """What the witness saw, as far as it has told."""
        lines = [] if self._witness is None else self._witness.heard()
        return haunting_in(
            lines,
            deleted_at=self._deleted_at,
            given_up_at=self._given_up_at,
            successor_at=self._successor_at,
        )

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """It was seen in its container when its pod was leaving and a successor ran."""
        del deadline_seconds  # it has ended: what the witness has not told it never will
        title = "a ghost ran beside its successor"
        required = (
            "frozen, counted no more by the cluster, and still seen when another pod ran for it"
        )
        seen = self.haunting()
        told = (
            f"{self.ghost}: seen {seen.after_given_up} times after it was given up, and"
            f" {seen.beside_successor} beside {', '.join(sorted(self._successors)) or 'nobody'}"
        )
        if not seen.is_proven:
            end = None if self._witness is None else self._witness.end
            reason = f"{told}; frozen before: {seen.frozen_before}; the witness ended: {end}"
            return [self._unproven("ghost-beside-successor", title, required, reason)]
        evidence = tuple(f"held the lease of {one.order_id}" for one in self.leases[:5])
        count = seen.beside_successor
        return [self._proven("ghost-beside-successor", title, required, told, count, evidence)]

    def _one_that_charges(self, running: set[str]) -> str:
        """The process of the service that holds the most leases, as soon as one holds any."""

        def owners() -> Counter[str]:
            return Counter(one.owner for one in self._leases() if one.owner in running)

        waited = wait_until(owners, bool, deadline_seconds=_LEASES_SECONDS_MAX, every_seconds=0.05)
        if not waited.reached:
            raise FaultError(f"no process of {self.service} charged anything; is there a load?")
        return waited.value.most_common(1)[0][0]

    def _placed(self) -> Witness:
        """The witness in the ghost's container, once it has seen the process."""
        seconds = self._wake_seconds + _OUTLIVES_SECONDS_MAX
        arguments = (f"--wake-after={self._wake_seconds:g}", f"--seconds={seconds:g}")
        witness = self.cluster.place_witness(self.ghost, ("onlooker", *arguments))
        placed = witness.wait_for(
            lambda lines: any(state_in(line) for line in lines),
            deadline_seconds=_WITNESS_SECONDS_MAX,
        )
        if not placed.reached:
            raise FaultError(f"nobody can look on in {self.ghost}: {witness.end or 'no word'}")
        return witness

    def _hears_state(self, state: str) -> bool:
        if self._witness is None:
            return False
        waited = self._witness.wait_for(
            lambda lines: bool(lines) and state_in(lines[-1]) == state,
            deadline_seconds=_WITNESS_SECONDS_MAX,
        )
        return waited.reached

    def _see_successor(self, before: dict[str, str]) -> None:
        """Note when the ghost was counted no more, and when another pod ran."""
        given_up = wait_until(
            lambda: self.ghost in incarnations(self.target.processes().values()),
            lambda counted: not counted,
            deadline_seconds=RUNNING_IN_CLUSTER_SECONDS_MAX,
        )
        self._given_up_at = time.monotonic() if given_up.reached else float("inf")
        come = wait_until(
            lambda: successors(before, self.target.processes().values(), service=self.service),
            bool,
            deadline_seconds=RUNNING_IN_CLUSTER_SECONDS_MAX,
        )
        self._successors = come.value
        self._successor_at = time.monotonic() if come.reached else float("inf")

    def _leases(self) -> list[HeldLease]:
        with reading(self.target.environment.dsn) as conn:
            rows = conn.execute(
                "SELECT lease_owner, event_id::text, order_id, lease_token::text"
                " FROM payments WHERE state = %s AND lease_owner IS NOT NULL",
                (PaymentState.CHARGING.value,),
            ).fetchall()
        return [HeldLease(*row) for row in rows]


def state_in(line: HeardLine) -> str:
    """The state that one line of the witness tells; empty when it tells none."""
    return str(line.document().get("state") or "")


def haunting_in(
    lines: Sequence[HeardLine], *, deleted_at: float, given_up_at: float, successor_at: float
) -> Haunting:
    """What the witness told beside what the API server told, by one clock: when it was heard."""
    told = [(line.at, state_in(line)) for line in lines]
    alive = [(at, state) for at, state in told if state and state != GONE]
    frozen = [at for at, state in alive if state == FROZEN]
    return Haunting(
        frozen_before=any(at <= deleted_at for at in frozen),
        after_given_up=sum(at > given_up_at for at, _ in alive),
        beside_successor=sum(at > successor_at for at, _ in alive),
        awake=sum(bool(frozen) and at > frozen[0] and state != FROZEN for at, state in alive),
        ended=any(state == GONE for _, state in told),
    )
