"""A whole storm as one fault: all is promised first, each part strikes at its time, then a heal.

Parts overlap, so each has a thread. None is begun after the storm was told to end, and what has
begun is waited for before anything is undone: an undo that a fault overtakes has undone nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault
from bookpayctl.faults.undo_error import UndoError
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs.directory import Run
from bookpayctl.runs.interrupts import shielded
from bookpayctl.storm.kinds import KINDS
from bookpayctl.storm.parts import parts_of
from bookpayctl.storm.recovery import FaultSpan
from bookpayctl.storm.schedule import CALM_SECONDS, Schedule
from bookpayctl.storm.strike import Strike
from bookpayctl.targets.target import Target


class Storm(Fault):
    """Every fault of a schedule; see the module."""

    def __init__(
        self,
        target: Target,
        run: Run,
        *,
        prefix: str,
        schedule: Schedule,
        observe: Callable[[str], None],
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.schedule = schedule
        self.strikes = [
            Strike(planned, part)
            for planned in schedule.faults
            for part in parts_of(planned, target, run, prefix=f"{prefix}/{planned.number}")
        ]
        self._observe = observe

    def plan_undo(self) -> None:
        """What each part could leave behind, and a process that one of them ends on the way."""
        self._plan(undo.PROCESSES_RUNNING)
        for strike in self.strikes:
            strike.fault.plan_undo()

    def inject(self) -> None:
        """Strike by the schedule, wait for what has landed, then heal."""
        began = time.monotonic()
        self.run.journal("storm", schedule=self.schedule.document())
        proof_by = began + self.schedule.duration_seconds - CALM_SECONDS / 4
        try:
            for strike in self.strikes:
                # The schedule is the experiment; nothing is waited for.
                threading.Event().wait(began + strike.planned.at_seconds - time.monotonic())
                self._observe(f"fault {strike.planned.number}, {strike.planned.words}")
                strike.begin(proof_by=proof_by)
            for strike in self.strikes:
                strike.join()
        finally:
            with shielded():
                for strike in self.strikes:
                    if strike.begun:
                        strike.struck.wait()
        self._heal()

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """One answer for each kind of fault: how many were seen to land."""
        del deadline_seconds  # every part has looked for its own
        if not self.strikes:
            return [
                Item(
                    id=f"{self._prefix}/struck",
                    title="something was struck",
                    verdict=Verdict.VACUOUS,
                    required="at least 1 fault on the schedule",
                    observed="the schedule is empty; make --duration longer",
                    examined=0,
                )
            ]
        by_kind = sorted(self.strikes, key=lambda one: one.planned.kind)
        return [
            self._kind_item(kind, list(found))
            for kind, found in groupby(by_kind, key=lambda one: one.planned.kind)
        ]

    @property
    def spans(self) -> list[FaultSpan]:
        """When each part was there that was seen to land."""
        return [span for strike in self.strikes if (span := strike.span) is not None]

    def _kind_item(self, kind: str, strikes: list[Strike]) -> Item:
        title, required = KINDS[kind].words, "each was seen to land, by somebody else's record"
        lost = [strike for strike in strikes if not strike.is_proven]
        told = tuple(strike.words for strike in strikes)
        observed = f"{len(strikes) - len(lost)} of {len(strikes)} landed"
        name = f"{self._prefix}/landed-{kind}"
        if lost:
            reason = f"{observed}; not {'; not '.join(strike.words for strike in lost)}"
            return replace(unanswered(name, title, required, reason), evidence=told)
        return Item(name, title, Verdict.HOLDS, required, observed, len(strikes), told)

    def _heal(self) -> None:
        """End everything now; what does not end stays promised, and is undone with the run."""
        self._observe("the storm is over; healing")
        for strike in reversed(self.strikes):
            try:
                strike.fault.undo()
            except UndoError as error:
                self.run.journal("heal_failed", fault=strike.planned.number, error=str(error))
        self.run.journal("healed", faults=len(self.strikes))
