"""outage: a server or a whole service is away for ten seconds while orders keep coming.

Question: are orders accepted while anything but PostgreSQL and the orders service is away, refused
clearly and without hanging while one of these is, and does everything drain by itself afterwards?
Expected: yes, and each service's log says once that the thing is gone and once that it is back.
In a cluster the thing is scaled to zero and back.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.noise import said_once
from bookpayctl.faults.process import ProcessAway
from bookpayctl.report.verdict import Item
from runtime.domain.names import Service

OUTAGE_SECONDS: Final = 10.0

# Where orders are refused while the part is away; everywhere else each must be accepted.
REFUSING: Final = frozenset({"postgres", Service.ORDERS.value})

# What none of ours calls, so that none can notice that it is away: it takes its work from a table
# or a topic, or others than ours call it.
UNNOTICED: Final = frozenset(
    {
        Service.ORDERS.value,
        Service.PUBLISHER.value,
        Service.WORKER.value,
        Service.RECEIVER.value,
        Service.RECONCILER.value,
        Service.NOTIFIER.value,
    }
)


class OutageScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.before = context.target.mark()
        self.away = ProcessAway(
            context.target,
            context.run,
            prefix=context.slug,
            process=context.request.point,
            seconds=OUTAGE_SECONDS,
        )

    @property
    def faults(self) -> tuple[ProcessAway]:
        return (self.away,)

    def observe(self) -> list[Item]:
        """What clients and logs saw of it."""
        part = self.away.process
        return [
            *answers_during(self.context, self.away.window, refusing=part in REFUSING),
            said_once(self.context, self.before, noticed=part not in UNNOTICED),
        ]


DRILL: Final = Drill(
    slug="outage",
    question="are orders accepted while only Kafka, Stripe or one service is away, refused clearly"
    " while PostgreSQL or the orders service is, and does everything drain by itself?",
    expected="nothing lost, nothing doubled, nobody hanging, and logs that say it once",
    blast_radius=f"one server or service of this environment, for {OUTAGE_SECONDS:.0f} s",
    points={
        "kafka": "no broker: the outbox absorbs",
        "stripe-twin": "no Stripe: payments wait with their key",
        Service.RECEIVER.value: "no receiver: Stripe delivers again later",
        "postgres": "no database: orders are refused with 503, never lost",
        Service.ORDERS.value: "nobody takes orders: they get no answer, none is lost",
        Service.PUBLISHER.value: "nobody publishes: events wait in the outbox",
        Service.WORKER.value: "nobody charges: orders wait in the topic",
        Service.GATEWAY.value: "nobody speaks with Stripe: payments wait with their key",
        Service.RECONCILER.value: "nobody asks Stripe again: what is unknown waits",
        Service.NOTIFIER.value: "nobody writes letters: they come late",
    },
    publisher_points=frozenset({Service.PUBLISHER.value}),
    scenario=OutageScenario,
)
