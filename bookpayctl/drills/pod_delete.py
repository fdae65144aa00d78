"""pod-delete: one pod of a service is deleted with a second's notice while orders keep coming.

Expected: the cluster puts another one there, what was under way is done by it or by the others
under the same keys, and every order is accepted; of the orders service itself one may be lost
sight of for a moment, and none is lost.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.faults.pod import PodDeleted
from bookpayctl.report.verdict import Item
from bookpayctl.targets.cluster_target import ClusterAct
from bookpayctl.targets.platforms import CLUSTERS
from runtime.domain.names import Service

# Its clients' own connections end with the pod; everywhere else each order must be accepted.
REFUSING: Final = frozenset({Service.ORDERS.value})


class PodDeleteScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.deleted = PodDeleted(
            context.cluster,
            context.run,
            prefix=context.slug,
            service=context.request.point,
            seed=context.request.seed,
        )

    @property
    def faults(self) -> tuple[PodDeleted]:
        return (self.deleted,)

    def observe(self) -> list[Item]:
        """What clients saw of it."""
        refusing = self.deleted.service in REFUSING
        return answers_during(self.context, self.deleted.window, refusing=refusing)


DRILL: Final = Drill(
    slug="pod-delete",
    question="a pod is deleted with a second's notice: does another one take its place, and does"
    " everything that it had begun come to its end?",
    expected="another pod within seconds, every order accepted, nothing lost and nothing doubled",
    blast_radius="one pod of one service, once",
    points={
        Service.WORKER.value: "attempts at Stripe are under way",
        Service.GATEWAY.value: "requests to Stripe are under way",
        Service.PUBLISHER.value: "one of three, perhaps the one that leads",
        Service.RECEIVER.value: "webhooks are being stored",
        Service.RECONCILER.value: "rows are claimed",
        Service.NOTIFIER.value: "letters are being sent",
        Service.ORDERS.value: "orders are being placed; one may get no answer, none is lost",
    },
    publisher_points=frozenset({Service.PUBLISHER.value}),
    scenario=PodDeleteScenario,
    platforms=CLUSTERS,
    acts=(ClusterAct.DELETE,),
)
