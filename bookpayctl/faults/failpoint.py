"""A failpoint: the next process that comes to a named step of its work dies, or loses something.

It is a row in the table the processes watch. The process that is struck writes its hit before it
acts, and for a death there is a second witness: its parent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bookpayctl.clients.database import reading, writing
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.target import Mark, ProcessEvents, Target

EXIT: Final = "exit"
EXIT_STATUS: Final = 137
HEARD_SECONDS_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class Aim:
    """Whose work is struck: the first of it that matches; None matches everything."""

    tenant_id: str | None = None
    order_id: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """The failpoint's own record: which process it struck, and in the middle of which order."""

    process: str
    pid: int
    order_id: str | None
    event_id: str | None
    at: datetime


class FailpointFault(Fault):
    """Strikes once, at one point, whoever comes there first.

    Args:
        seconds: how long `stop` or `delay` lasts; None for as long as the point does by itself.
    """

    def __init__(
        self,
        target: Target,
        run: Run,
        *,
        prefix: str,
        point: str,
        action: str = EXIT,
        aim: Aim | None = None,
        seconds: float | None = None,
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.point = point
        self.action = action
        self.aim = aim or Aim()
        self.argument = None if seconds is None else f"{seconds:g}"
        self.landed: Hit | None = None
        self._since: Mark | None = None
        self._id: int | None = None

    def plan_undo(self) -> None:
        self._plan(undo.DISARM_FAILPOINTS, run_id=self.run.run_id)

    def inject(self) -> None:
        """Arm it, and return when every process that listens has heard of it."""
        self._since = self.target.mark()
        with writing(self.target.environment.dsn) as conn:
            row = conn.execute(
                "INSERT INTO failpoints (run_id, point, action, argument, match_tenant_id,"
                " match_order_id, match_event_id, remaining)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, 1) RETURNING id",
                (
                    *(self.run.run_id, self.point, self.action, self.argument),
                    *(self.aim.tenant_id, self.aim.order_id, self.aim.event_id),
                ),
            ).fetchone()
            self._id = None if row is None else int(row[0])
            heard = wait_until(
                lambda: conn.execute(DEAF_SESSIONS).fetchall(),
                lambda deaf: not deaf,
                deadline_seconds=HEARD_SECONDS_MAX,
                every_seconds=0.02,
            )
        if not heard.reached:
            sessions = ", ".join(name for (name,) in heard.value)
            raise FaultError(f"{sessions} did not hear of {self.point} in {heard.seconds:.0f} s")

    def hit(self) -> Hit | None:
        """Its record, None while it was not hit; that of another at the same point is not its.

        Raises:
            DatabaseError: the database could not be asked.
        """
        with reading(self.target.environment.dsn) as conn:
            row = conn.execute(
                "SELECT process, pid, order_id, event_id::text, hit_at FROM failpoint_hits"
                " WHERE failpoint_id = %s ORDER BY id LIMIT 1",
                (self._id,),
            ).fetchone()
        return None if row is None else Hit(*row)

    def wait_for_hit(self, *, deadline_seconds: float) -> Hit | None:
        """Its record as soon as there is one; None when there is none by the deadline."""
        return wait_until(
            self.hit,
            lambda hit: hit is not None,
            deadline_seconds=deadline_seconds,
            every_seconds=0.05,
        ).value

    def events(self) -> ProcessEvents:
        """What the parents of the processes saw since it was armed."""
        if self._since is None:
            raise FaultError(f"{self.point} was never armed")
        return self.target.events(self._since)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        title, required = "the failpoint was hit", "1 hit on record, for this run"
        hit = self.landed = self.wait_for_hit(deadline_seconds=deadline_seconds)
        if hit is None:
            reason = (
                f"no hit of {self.point} in {deadline_seconds:.0f} s;"
                " the fault did not land, so nothing was tested"
            )
            return [self._unproven("failpoint-hit", title, required, reason)]
        self.run.journal("hit", process=hit.process, pid=hit.pid, order_id=hit.order_id)
        record = self._proven(
            "failpoint-hit",
            title,
            required,
            f"{self.point} hit by {hit.process} (pid {hit.pid})",
            1,
            (f"order {hit.order_id}, key {hit.event_id}, at {hit.at.isoformat()}",),
        )
        if self.action != EXIT:
            return [record]
        return [record, self._death(hit, deadline_seconds)]

    def _death(self, hit: Hit, deadline_seconds: float) -> Item:
        """Its parent saw the process die of it, and started another one."""
        title = "the process died and was restarted"
        required = f"its parent saw exit status {EXIT_STATUS} and started a new one"
        waited = wait_until(
            self.events,
            lambda seen: is_death_seen(seen, hit),
            deadline_seconds=deadline_seconds,
        )
        ends = waited.value.ends_of(hit.process)
        successors = waited.value.successors_of(hit.process, str(hit.pid))
        if not waited.reached:
            seen = f"ends {[str(end) for end in ends]}, new ones {successors}"
            reason = f"{hit.process}: {seen}; not proven"
            return self._unproven("process-restarted", title, required, reason)
        return self._proven(
            "process-restarted",
            title,
            required,
            f"{hit.process}: exit status {EXIT_STATUS}, {hit.pid} -> {successors[-1]}",
            len(ends),
        )


def is_death_seen(events: ProcessEvents, hit: Hit) -> bool:
    """Whether the parent saw the struck process end as a failpoint ends it, and come again."""
    ends = events.ends_of(hit.process)
    died = any(end.status == EXIT_STATUS for end in ends)
    return died and bool(events.successors_of(hit.process, str(hit.pid)))


# A process asks for the failpoints on a session that it keeps and that idles between two
# questions: whoever asked last before the newest was armed has not heard of it.
DEAF_SESSIONS: Final = (
    "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
    " AND starts_with(query, 'SELECT DISTINCT point') AND (state <> 'idle'"
    " OR query_start < (SELECT max(armed_at) FROM failpoints))"
)
