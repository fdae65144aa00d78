"""rollout: every Deployment is rolled, one after the other, as for a new version, under load.

Expected: no order fails: a new pod is ready before an old one goes, and an old one serves those who
still come to it. A client whose connection ends at that moment asks again under its key, as clients
of this API may, and is answered.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.faults.rollout import Rollout
from bookpayctl.report.verdict import Item
from bookpayctl.targets.cluster_target import ClusterAct
from bookpayctl.targets.platforms import CLUSTERS
from runtime.domain.names import Service

ALL: Final = "all"


class RolloutScenario(Scenario):
    # A kept connection ends with its pod, and a request may be on its way at that moment.
    clients_ask_again = True

    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        point = context.request.point
        everything = [service.value for service in Service]
        self.rollout = Rollout(
            context.cluster,
            context.run,
            prefix=context.slug,
            services=everything if point == ALL else [point],
            observe=context.observe,
        )

    @property
    def faults(self) -> tuple[Rollout]:
        return (self.rollout,)

    def observe(self) -> list[Item]:
        """What clients saw of it."""
        return answers_during(self.context, self.rollout.window, refusing=False)


DRILL: Final = Drill(
    slug="rollout",
    question="does a new version of every service cost anybody an order?",
    expected="no order refused, every order accepted, every pod replaced",
    blast_radius="every pod of the services, one after another, with another one ready before",
    points={
        ALL: "the Deployments of the seven services",
        **{service.value: f"the pods of {service.value}" for service in Service},
    },
    publisher_points=frozenset({Service.PUBLISHER.value}),
    scenario=RolloutScenario,
    platforms=CLUSTERS,
    acts=(ClusterAct.ROLL,),
)
