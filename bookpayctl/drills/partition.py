"""partition: between a service and its callers nothing passes for ten seconds, or all is reset.

Expected: without Stripe or the gateway orders are accepted and payments wait under their keys;
without the database orders are refused clearly; nobody is charged twice by what arrives late, and
everything drains when it passes again.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.faults.partition import Link, Partition
from bookpayctl.report.verdict import Item
from bookpayctl.targets.cluster_target import ClusterAct, Passage
from bookpayctl.targets.platforms import CLUSTERS
from runtime.domain.names import Service

CUT_SECONDS: Final = 10.0

RESET_SUFFIX: Final = "-reset"

# Where the manifests mount the database's connection string.
_DSN_FILE: Final = "/run/secrets/bookpay/database/dsn"

LINKS: Final = {
    Service.GATEWAY.value: Link(
        service=Service.GATEWAY.value,
        callers=(Service.WORKER.value, Service.RECONCILER.value),
        watcher=Service.WORKER.value,
        canary=(f"--http={Service.GATEWAY.value}:8080",),
    ),
    "stripe-twin": Link(
        service="stripe-twin",
        callers=(Service.GATEWAY.value,),
        watcher=Service.GATEWAY.value,
        canary=("--http=stripe-twin:8080",),
    ),
    "postgres": Link(
        service="postgres",
        callers=(),
        watcher=Service.WORKER.value,
        canary=(f"--dsn-file={_DSN_FILE}",),
    ),
}

# Where orders are refused while nothing passes; everywhere else each must be accepted.
REFUSING: Final = frozenset({"postgres"})


class PartitionScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        point = context.request.point
        self.partition = Partition(
            context.cluster,
            context.run,
            prefix=context.slug,
            link=LINKS[point.removesuffix(RESET_SUFFIX)],
            passage=Passage.RESET if point.endswith(RESET_SUFFIX) else Passage.HOLD,
            seconds=CUT_SECONDS,
            observe=context.observe,
        )

    @property
    def faults(self) -> tuple[Partition]:
        return (self.partition,)

    def prepare(self) -> None:
        """Lead the callers through the proxy before there are orders: that alone costs none."""
        self.partition.prepare()

    def observe(self) -> list[Item]:
        """What clients saw of it."""
        refusing = self.partition.link.service in REFUSING
        return answers_during(self.context, self.partition.window, refusing=refusing)


DRILL: Final = Drill(
    slug="partition",
    question="nothing passes between a service and its callers, on open connections and on new"
    " ones: does anybody hang, is anybody charged twice by what arrives late?",
    expected="payments wait under their keys, orders are accepted or refused clearly, all drains",
    blast_radius=f"one service is cut off for {CUT_SECONDS:.0f} s; its callers are restarted"
    " before, one after another, and their connections end when the proxy is removed",
    points={
        Service.GATEWAY.value: "no byte passes between the workers and the gateway",
        f"{Service.GATEWAY.value}{RESET_SUFFIX}": "their connections are reset",
        "stripe-twin": "no byte passes between the gateway and Stripe's twin",
        f"stripe-twin{RESET_SUFFIX}": "their connections are reset",
        "postgres": "no byte passes between the services and the database",
        f"postgres{RESET_SUFFIX}": "their connections are reset",
    },
    scenario=PartitionScenario,
    platforms=CLUSTERS,
    acts=(ClusterAct.DIVERT, ClusterAct.ROLL, ClusterAct.WATCH_INSIDE),
)
