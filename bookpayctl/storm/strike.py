"""One part of a storm: it waits for its time, strikes, and looks for its proof, on a thread.

Whatever goes wrong on the way is an answer of this part alone, unknown with its reason: the storm
goes on, and what could not be shown is not taken for survived.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from bookpayctl.clients.database import DatabaseError
from bookpayctl.clients.kafka import BrokerError
from bookpayctl.clients.stripe_twin import TwinError
from bookpayctl.faults.failpoint import FailpointFault
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.process import ProcessAway, ProcessFrozen, ProcessKilled
from bookpayctl.faults.stripe import StripeFault
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs.waiting import wait_until
from bookpayctl.storm.kinds import KINDS, StrikeExtent
from bookpayctl.storm.recovery import FaultSpan
from bookpayctl.storm.schedule import PlannedFault
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.status import Leader

READY_SECONDS_MAX: Final = 20.0
"""What was struck before may take so long to be there again."""

PROOF_SECONDS_MIN: Final = 5.0
AGAIN_SECONDS: Final = 0.5

_AWAY: Final = (DatabaseError, BrokerError, TwinError, TargetError, OSError)
_REQUIRED: Final = "somebody else's record of it"


class Strike:
    """One planned fault on one of its targets.

    Attributes:
        items: its proofs, when it is over.
    """

    def __init__(self, planned: PlannedFault, fault: Fault) -> None:
        self.planned = planned
        self.fault = fault
        self.items: list[Item] = []
        self.struck = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"storm-{planned.number}", daemon=True
        )
        self._proof_by = 0.0
        self._began_at = self._over_at = 0.0

    def begin(self, *, proof_by: float) -> None:
        """Strike now, and look for the proof until then, in monotonic seconds."""
        self._proof_by = proof_by
        self._thread.start()

    @property
    def begun(self) -> bool:
        return self._thread.ident is not None

    def join(self) -> None:
        self._thread.join()

    @property
    def is_proven(self) -> bool:
        return bool(self.items) and all(item.verdict is Verdict.HOLDS for item in self.items)

    @property
    def span(self) -> FaultSpan | None:
        """When it was there; None of one that nobody has seen to land."""
        if not self.is_proven:
            return None
        fault, began_at, over_at = self.fault, self._began_at, self._over_at
        if isinstance(fault, ProcessKilled) and fault.window is not None:
            over_at = fault.window.began_at
        elif isinstance(fault, ProcessAway) and fault.window is not None:
            over_at = fault.window.ended_at
        elif isinstance(fault, FailpointFault) and fault.landed is not None:
            began_at = over_at = fault.landed.at.timestamp()
        return FaultSpan(self.planned.number, self.planned.kind, began_at, over_at)

    @property
    def words(self) -> str:
        """What was seen of it, for a person."""
        seen = "; ".join(item.reason or item.observed for item in self.items) or "no answer yet"
        return f"{self.planned.number}, {self.planned.words}: {seen}"

    def _run(self) -> None:
        try:
            self._find_target()
            self._journal("striking")
            self._began_at = time.time()
            self.fault.inject()
            self._hold()
        except (*_AWAY, RuntimeError) as error:
            self.items = [self._unknown(f"it could not be injected: {error}")]
        finally:
            self._over_at = time.time()
            self._journal("struck")
            self.struck.set()
        self.items = self.items or self._proven()
        seen = [item.reason or item.observed for item in self.items]
        self._journal("proven" if self.is_proven else "unproven", by=seen)

    def _journal(self, event: str, **facts: object) -> None:
        planned = self.planned
        self.fault.run.journal(
            event, fault=planned.number, kind=planned.kind, what=self._what, **facts
        )

    def _find_target(self) -> None:
        """See who leads, where the leader is meant, and that what is to be struck is there."""
        fault, target = self.fault, self.fault.target
        if not isinstance(fault, ProcessKilled | ProcessFrozen | ProcessAway):
            return
        if fault.process == StrikeExtent.LEADER:
            leader = wait_until(
                lambda: target.status().leader,
                lambda found: isinstance(found, Leader) and bool(found.publisher_id),
                deadline_seconds=READY_SECONDS_MAX,
            ).value
            if not isinstance(leader, Leader):
                raise FaultError("nobody leads the publishers")
            fault.process = leader.publisher_id
        there = wait_until(
            lambda: [
                one
                for one in target.processes().values()
                if fault.process in (one.name, one.service) and not one.running
            ],
            lambda down: not down,
            deadline_seconds=READY_SECONDS_MAX,
        )
        if not there.reached:
            raise FaultError(f"{fault.process} was not there to be struck")

    def _hold(self) -> None:
        """Leave a fault of Stripe's in place for its time, and until it has struck."""
        if not isinstance(self.fault, StripeFault):
            return
        # How long it lasts is the experiment; nothing is waited for.
        threading.Event().wait(self.planned.for_seconds)
        wait_until(self.fault.hits, bool, deadline_seconds=KINDS[self.planned.kind].seconds[1])
        self.fault.end()

    def _proven(self) -> list[Item]:
        """Its proofs; who is asked may be away by another fault, and is asked again."""
        while True:
            left = max(self._proof_by - time.monotonic(), PROOF_SECONDS_MIN)
            try:
                return self.fault.prove(deadline_seconds=left)
            except _AWAY as error:
                if time.monotonic() >= self._proof_by:
                    return [self._unknown(f"nobody could be asked for the proof: {error}")]
            threading.Event().wait(AGAIN_SECONDS)

    def _unknown(self, reason: str) -> Item:
        name = f"storm/{self.planned.number}"
        return unanswered(name, self.planned.words, _REQUIRED, reason)

    @property
    def _what(self) -> str:
        fault = self.fault
        if isinstance(fault, ProcessKilled | ProcessFrozen | ProcessAway):
            return fault.process
        return self.planned.point or self.planned.kind
