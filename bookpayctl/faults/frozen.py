"""A process freezes in the middle of its work, longer than its leases and its group wait for it.

It is the failpoint that stops it, as a long pause of its machine would, and wakes it; what is
believed is that it did not answer, that its group had given it up, and that it answered again.
"""

from __future__ import annotations

import time
from typing import Final

from bookpayctl.clients.database import reading
from bookpayctl.clients.kafka import BrokerError
from bookpayctl.clients.kafka_topics import group_members
from bookpayctl.faults import undo
from bookpayctl.faults.failpoint import Aim, FailpointFault, Hit
from bookpayctl.faults.fault import FaultError
from bookpayctl.faults.ghost import HeldLease
from bookpayctl.faults.process import TimeAway
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.target import Target

STOP: Final = "stop"

AWAKE_SECONDS_MAX: Final = 60.0
"""A failpoint freezes for 30 s; the process then has to find its way."""


class WorkerFrozen(FailpointFault):
    """Freezes whoever comes by with a payment under a lease.

    Args:
        group: the consumer group it belongs to.
    """

    def __init__(
        self, target: Target, run: Run, *, prefix: str, point: str, aim: Aim, group: str
    ) -> None:
        super().__init__(target, run, prefix=prefix, point=point, action=STOP, aim=aim)
        self.group = group
        self.frozen: Hit | None = None
        self.leases: tuple[HeldLease, ...] = ()
        self.window: TimeAway | None = None
        self.silent = False
        self.given_up = False
        self.awake = False

    def plan_undo(self) -> None:
        """Disarm it and let whoever is frozen go on."""
        super().plan_undo()
        self._plan(undo.PROCESSES_RUNNING)

    def freeze(self, *, seconds_max: float) -> None:
        """Arm it, see the process fall silent, be given up by its group, and answer again.

        Raises:
            FaultError: nobody came by.
        """
        self.inject()
        hit = self.wait_for_hit(deadline_seconds=seconds_max)
        if hit is None:
            raise FaultError(f"no process came by {self.point} in {seconds_max:.0f} s")
        self.frozen, began_at = hit, time.time()
        self.silent = not self._answers(hit)
        self.leases = self._leases(hit)
        self.given_up = wait_until(
            lambda: self._is_given_up(hit), bool, deadline_seconds=AWAKE_SECONDS_MAX / 2
        ).value
        self.silent = self.silent and not self._answers(hit)
        self.awake = wait_until(
            lambda: self._answers(hit), bool, deadline_seconds=AWAKE_SECONDS_MAX, every_seconds=0.5
        ).value
        self.window = TimeAway(began_at, time.time())

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """Its own record, its silence, and its group's word."""
        title = "a worker was frozen beyond its group's patience"
        required = "no answer of it, a group without it, and answers again"
        hit = super().prove(deadline_seconds=deadline_seconds)
        seen = f"silent: {self.silent}, given up: {self.given_up}, awake: {self.awake}"
        if self.frozen is None or not (self.silent and self.given_up and self.awake):
            return [*hit, self._unproven("worker-frozen", title, required, seen)]
        window = self.window
        seconds = 0.0 if window is None else window.ended_at - window.began_at
        observed = (
            f"{self.frozen.process} for {seconds:.0f} s with {len(self.leases)} leases;"
            f" {self.group} went on without it"
        )
        return [*hit, self._proven("worker-frozen", title, required, observed, 1)]

    def _answers(self, hit: Hit) -> bool:
        return self.target.ask(hit.process, "/healthz").status == 200

    def _is_given_up(self, hit: Hit) -> bool:
        try:
            members = group_members(self.target.environment.kafka, self.group)
        except BrokerError:
            return False
        # A group that is balancing shows nobody.
        return bool(members) and hit.process not in members

    def _leases(self, hit: Hit) -> tuple[HeldLease, ...]:
        with reading(self.target.environment.dsn) as conn:
            rows = conn.execute(
                "SELECT lease_owner, event_id::text, order_id, lease_token::text FROM payments"
                " WHERE lease_owner = %s AND lease_token IS NOT NULL ORDER BY event_id = %s::uuid"
                " DESC",
                (hit.process, hit.event_id),
            ).fetchall()
        return tuple(HeldLease(*row) for row in rows)
