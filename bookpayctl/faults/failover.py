"""PostgreSQL's primary is taken away for good: its operator has to promote another instance."""

from __future__ import annotations

import time
from typing import Final

from bookpayctl.clients.database import DatabaseError, reading
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.process import TimeAway
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.cluster_target import ClusterTarget, PostgresInstances
from bookpayctl.targets.errors import TargetError

_LOOK_SECONDS: Final = 0.1

# The first eight digits of the name of a segment are its timeline, in hexadecimal.
# Source: PostgreSQL manual, 66.3 (pg_wal) and 9.28.3 (pg_walfile_name).
_TIMELINE: Final = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"


class PrimaryDeleted(Fault):
    """The process that takes PostgreSQL's writes is deleted.

    Believed by two records that are not ours: the operator's, who is primary, and PostgreSQL's own
    timeline, which each promotion makes one larger.

    Attributes:
        window: from the deletion until another primary answered; None before, and without one.
    """

    def __init__(
        self,
        target: ClusterTarget,
        run: Run,
        *,
        prefix: str,
        grace_seconds: int,
        seconds_max: float,
    ) -> None:
        """Change nothing yet.

        Args:
            grace_seconds: how long the process may take to end in order; 0 gives it no chance.
            seconds_max: how long a promotion may take.
        """
        super().__init__(target, run, prefix=prefix)
        self.cluster = target
        self.window: TimeAway | None = None
        self._grace_seconds = grace_seconds
        self._seconds_max = seconds_max
        self._before: PostgresInstances | None = None
        self._timelines: list[int | None] = []

    def plan_undo(self) -> None:
        self._plan(undo.POSTGRES_WHOLE)

    def inject(self) -> None:
        """Delete it, and return when another answers as the primary, or the time is up."""
        before = self.cluster.postgres_instances()
        if before is None or before.ready < 2:
            raise FaultError(f"there is no other instance that is ready: {before}")
        self._before, timeline = before, timeline_of(self.target.environment.dsn)
        self._timelines.append(timeline)
        began_at = time.time()
        self.cluster.delete(before.primary, grace_seconds=self._grace_seconds)
        promoted = wait_until(
            lambda: timeline_of(self.target.environment.dsn),
            lambda now: is_later(now, timeline),
            deadline_seconds=self._seconds_max,
            every_seconds=_LOOK_SECONDS,
        )
        self._timelines.append(promoted.value)
        self.window = TimeAway(began_at, time.time())
        self.run.journal("promoted", seconds=promoted.seconds, timeline=promoted.value)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        return [self._promotion(deadline_seconds), self._timeline()]

    def now(self) -> PostgresInstances | None:
        """What the operator says; None while it cannot be asked."""
        try:
            return self.cluster.postgres_instances()
        except TargetError as error:
            self.run.journal("target_mute", error=str(error))
            return None

    def _promotion(self, deadline_seconds: float) -> Item:
        title, before = "another instance was promoted", self._before
        required = "the operator names another primary than the one that was deleted"
        if before is None:
            return self._unproven("promoted", title, required, "no primary was deleted")
        waited = wait_until(
            self.now,
            lambda now: now is not None and now.primary not in ("", before.primary),
            deadline_seconds=deadline_seconds,
        )
        if not waited.reached or waited.value is None:
            reason = f"{before.keeper} still names {before.primary}; nothing failed over"
            return self._unproven("promoted", title, required, reason)
        observed = f"{before.keeper}: {before.primary} -> {waited.value.primary}"
        return self._proven("promoted", title, required, observed, 1)

    def _timeline(self) -> Item:
        title = "PostgreSQL is on a later timeline"
        required = "a larger timeline than before, told by the database itself"
        before, after = [*self._timelines, None, None][:2]
        if not is_later(after, before):
            reason = f"before {before}, within {self._seconds_max:.0f} s {after}"
            return self._unproven("timeline", title, required, reason)
        return self._proven("timeline", title, required, f"timeline {before} -> {after}", 1)


def is_later(after: int | None, before: int | None) -> bool:
    """Whether there was a promotion between two looks, both of which were answered."""
    return after is not None and before is not None and after > before


def timeline_of(dsn: str) -> int | None:
    """The timeline that the primary writes; None when none answers, or it is none any more."""
    try:
        with reading(dsn) as conn:
            row = conn.execute(_TIMELINE).fetchone()
    except DatabaseError:
        return None
    return None if row is None else int(row[0], 16)
