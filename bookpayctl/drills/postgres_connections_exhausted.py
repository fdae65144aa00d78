"""postgres-connections-exhausted: PostgreSQL has no connection left for anybody.

Question: are orders refused soon and clearly, and does everything come back by itself? Expected:
503 with Retry-After within the bound, orders accepted again in seconds, no session left behind.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.recovery import accepted_again
from bookpayctl.drills.observing.sessions import nothing_leaked
from bookpayctl.faults.server_sessions import ConnectionsExhausted
from bookpayctl.report.verdict import Item

HELD_SECONDS: Final = 6.0

ACCEPTED_AGAIN_SECONDS_MAX: Final = 10.0

ALL: Final = "all"


class PostgresConnectionsExhaustedScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.held = ConnectionsExhausted(
            context.target, context.run, prefix=context.slug, seconds=HELD_SECONDS
        )

    @property
    def faults(self) -> tuple[ConnectionsExhausted]:
        return (self.held,)

    def observe(self) -> list[Item]:
        """What clients were told, how soon it was over, and what was left behind."""
        window, context = self.held.window, self.context
        if window is None:
            raise LookupError("no connection was held")
        return [
            *answers_during(context, window, refusing=True),
            accepted_again(context, window.ended_at, seconds_max=ACCEPTED_AGAIN_SECONDS_MAX),
            nothing_leaked(context),
        ]


DRILL: Final = Drill(
    slug="postgres-connections-exhausted",
    question="PostgreSQL has no connection left: are orders refused soon and clearly, and accepted"
    " again by themselves?",
    expected="503 with Retry-After, nobody hangs, accepted again in seconds, no session leaked",
    blast_radius=f"every connection of this PostgreSQL, for {HELD_SECONDS:.0f} s; held by this"
    " command, so that they are free when it ends, however it ends",
    points={ALL: "the free ones first, then those of the services"},
    scenario=PostgresConnectionsExhaustedScenario,
)
