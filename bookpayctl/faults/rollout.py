"""A rollout: every process of some services is replaced, as a new version replaces the old one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault
from bookpayctl.faults.pod import incarnations
from bookpayctl.faults.process import TimeAway
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.targets.cluster_target import ClusterTarget

ROLLOUT_SECONDS_MAX: Final = 240.0


class Rollout(Fault):
    """Services are rolled one after the other."""

    def __init__(
        self,
        target: ClusterTarget,
        run: Run,
        *,
        prefix: str,
        services: Sequence[str],
        observe: Callable[[str], None],
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.cluster = target
        self.services = tuple(services)
        self.window: TimeAway | None = None
        self._observe = observe
        self._revisions: Mapping[str, str] = {}
        self._before: Mapping[str, str] = {}

    def plan_undo(self) -> None:
        # A rollout that was begun ends by itself; what is to be seen is that everything runs.
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        self._revisions = self._revisions_now()
        self._before = self._incarnations_now()
        began_at = time.time()
        for service in self.services:
            self._observe(f"rolling {service}")
            self.cluster.roll(service, deadline_seconds=ROLLOUT_SECONDS_MAX)
            self.run.journal("rolled", service=service)
        self.window = TimeAway(began_at, time.time())

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """Each has a revision that it had not, and no pod of before is left."""
        del deadline_seconds  # a rollout that has come to its end left nothing to wait for
        title = "everything was rolled"
        required = "a new revision of each Deployment, and no pod of before"
        revisions = self._revisions_now()
        stayed = unchanged(self._revisions, revisions)
        left = unchanged(self._before, self._incarnations_now())
        if not self._before or stayed or left:
            reason = f"same revision: {', '.join(stayed) or 'none'}; same pod: {', '.join(left)}"
            return [self._unproven("rolled", title, required, reason)]
        return [
            self._proven(
                "rolled",
                title,
                required,
                f"{len(revisions)} Deployments, {len(self._before)} pods replaced",
                len(self._before),
                tuple(
                    f"{name}: revision {self._revisions[name]} -> {now}"
                    for name, now in sorted(revisions.items())
                ),
            )
        ]

    def _revisions_now(self) -> dict[str, str]:
        return {
            name: revision
            for service in self.services
            for name, revision in self.cluster.revisions(service).items()
        }

    def _incarnations_now(self) -> dict[str, str]:
        """Those of the processes of these services."""
        wanted = set(self.services)
        found = self.target.processes().values()
        return incarnations(process for process in found if process.service in wanted)


def unchanged(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names whose value of before is still somewhere; a name that is gone has none."""
    return sorted(name for name, value in before.items() if now.get(name) == value)
