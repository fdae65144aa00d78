"""A fault: what has to be undone is planned first, then it is injected, proven and undone.

The order is the promise. The undo is on disk before the system is touched, so that whoever finds
the run later can finish it; and a fault is believed only by somebody else's record of it: a row
the process wrote before it acted, its parent's log, Stripe's own journal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

from bookpayctl.faults import undo
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs.directory import Run, UndoEntry
from bookpayctl.targets.target import Target


class FaultError(RuntimeError):
    """The fault could not be injected, so nothing may be concluded; the message says why."""


class Fault(ABC):
    """One way to break one environment, for one run."""

    def __init__(self, target: Target, run: Run, *, prefix: str) -> None:
        """Change nothing yet; `prefix` begins the ids of its items, e.g. a drill's slug."""
        self.target = target
        self.run = run
        self._prefix = prefix
        self._planned: list[UndoEntry] = []

    @abstractmethod
    def plan_undo(self) -> None:
        """Write down everything that could be left behind, without touching the system."""

    @abstractmethod
    def inject(self) -> None:
        """Cause it.

        Raises:
            FaultError: it cannot be caused here and now.
        """

    @abstractmethod
    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """Show by somebody else's record that it happened; what cannot be shown is unknown."""

    @final
    def undo(self) -> None:
        """Undo it now rather than at the end of the run; what was undone is closed on disk.

        Raises:
            UndoError: the system did not come back.
        """
        while self._planned:
            entry = self._planned[-1]
            undo.undo(self.target, entry)
            self.run.undone(entry)
            self._planned.pop()

    def _plan(self, operation: str, **arguments: str) -> None:
        self._planned.append(self.run.promise_undo(operation, **arguments))

    def _proven(
        self,
        name: str,
        title: str,
        required: str,
        observed: str,
        examined: int,
        evidence: tuple[str, ...] = (),
    ) -> Item:
        return Item(
            id=f"{self._prefix}/{name}",
            title=title,
            verdict=Verdict.HOLDS,
            required=required,
            observed=observed,
            examined=examined,
            evidence=evidence,
        )

    def _unproven(self, name: str, title: str, required: str, reason: str) -> Item:
        return unanswered(f"{self._prefix}/{name}", title, required, reason)
