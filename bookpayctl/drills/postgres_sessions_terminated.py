"""postgres-sessions-terminated: PostgreSQL's sessions are ended once a second.

Question: does a process that loses its session in the middle of a transaction lose work, do it
twice, or hang? Expected: orders are accepted or refused with 503, another publisher leads or the
same one does again, and everything is paid.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.recovery import accepted_again
from bookpayctl.drills.observing.sessions import nothing_leaked
from bookpayctl.faults.server_sessions import (
    SessionsTerminated,
    session_of_leader,
    sessions_of_services,
)
from bookpayctl.report.verdict import Item

ALL, LEADER = "all", "publisher-leader"

TERMINATED_SECONDS: Final = 8.0

ACCEPTED_AGAIN_SECONDS_MAX: Final = 10.0


class PostgresSessionsTerminatedScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.everybody = context.request.point == ALL
        self.terminated = SessionsTerminated(
            *(context.target, context.run),
            prefix=context.slug,
            victims=sessions_of_services if self.everybody else session_of_leader,
            seconds=TERMINATED_SECONDS,
        )

    @property
    def faults(self) -> tuple[SessionsTerminated]:
        return (self.terminated,)

    def observe(self) -> list[Item]:
        """What clients were told, how soon it was over, and what was left behind."""
        window, context = self.terminated.window, self.context
        if window is None:
            raise LookupError("no session was ended")
        seconds_max = ACCEPTED_AGAIN_SECONDS_MAX
        return [
            *answers_during(context, window, refusing=self.everybody),
            accepted_again(context, window.ended_at, seconds_max=seconds_max),
            nothing_leaked(context),
        ]


DRILL: Final = Drill(
    slug="postgres-sessions-terminated",
    question="PostgreSQL ends sessions once a second: is work lost or done twice, and does anybody"
    " hang?",
    expected="accepted, or 503 with Retry-After; a publisher leads again; nothing lost",
    blast_radius=f"sessions of every service, for {TERMINATED_SECONDS:.0f} s; none of this tool's",
    points={
        ALL: "the sessions of all services",
        LEADER: "the session that holds the publisher's lock, whoever that is",
    },
    publisher_points=frozenset({LEADER}),
    scenario=PostgresSessionsTerminatedScenario,
)
