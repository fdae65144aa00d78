"""kill-storm: every process is killed with SIGKILL, in random order, again and again, under load.

Expected: each is started again, and when the storm is over every order is paid or cancelled and
Stripe holds exactly the charges of the paid ones.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.faults.process import RepeatedKills
from bookpayctl.report.verdict import Item

ALL, SERVICES, SERVERS = "all", "services", "servers"

# The storm ends this long before the load does, so that recovery is seen under load too.
CALM_SECONDS: Final = 3.0


class KillStormScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.storm = RepeatedKills(
            context.target,
            context.run,
            prefix=context.slug,
            victims=_victims(context),
            seed=context.request.seed,
            seconds=context.request.duration_seconds - CALM_SECONDS,
            back_seconds_max=context.deadline_seconds,
            observe=context.observe,
        )

    @property
    def faults(self) -> tuple[RepeatedKills]:
        return (self.storm,)

    def observe(self) -> list[Item]:
        """Each came back, and how long the slowest took."""
        kills, context = self.storm.kills, self.context
        gone = [kill for kill in kills if kill.back_seconds is None]
        slowest = max(kills, key=lambda kill: kill.back_seconds or float("inf"))
        seconds = "never" if slowest.back_seconds is None else f"{slowest.back_seconds:.1f} s"
        return [
            context.judged(
                "all-back",
                "each was running again",
                f"a new process within {context.deadline_seconds:.0f} s of each kill",
                f"slowest {slowest.process} after {seconds}",
                good=not gone,
                examined=len(kills),
                evidence=[f"{k.process} ({k.incarnation}) did not come back" for k in gone],
                fix="bookpayctl logs",
            )
        ]


def _victims(context: DrillContext) -> list[str]:
    """The names of the processes to be killed, in the target's order, which a seed shuffles."""
    point, processes = context.request.point, context.target.processes().values()
    return [
        process.name
        for process in processes
        if point == ALL or process.is_server == (point == SERVERS)
    ]


DRILL: Final = Drill(
    slug="kill-storm",
    question="does any sequence of sudden deaths lose an order, charge one twice, or leave one"
    " hanging?",
    expected="every process restarted, every order paid or cancelled, charges = paid orders",
    blast_radius="all processes of this environment, one at a time, for as long as the load lasts",
    points={
        ALL: "every process of the environment, servers among them",
        SERVICES: "the eleven processes of the seven services",
        SERVERS: "PostgreSQL, Kafka, the Stripe twin and the mail sink",
    },
    scenario=KillStormScenario,
)
