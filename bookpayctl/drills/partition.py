"""partition: between a service and its callers nothing passes for ten seconds, or all is reset.

Expected: without Stripe or the gateway orders are accepted and payments wait under their keys;
without the database orders are refused clearly; nobody is charged twice by what arrives late, and
everything drains when it passes again. What is held arrives late; what falls into a black hole is
lost, and its connections are reset when it is over.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drill.sick_link import sick_link
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.keys import one_key_each
from bookpayctl.faults.link import SickLink
from bookpayctl.faults.partition import Partition, PodLink
from bookpayctl.report.verdict import Item
from bookpayctl.targets.cluster_target import ClusterAct
from bookpayctl.targets.link import Link
from bookpayctl.targets.platforms import cluster_of
from bookpayctl.targets.toxic import Toxic, Toxicity
from runtime.domain.names import Service

CUT_SECONDS: Final = 10.0

RESET_SUFFIX: Final = "-reset"
BLACK_HOLE_SUFFIX: Final = "-black-hole"

TWIN: Final = "stripe-twin"

# Where the manifests mount the database's connection string.
_DSN_FILE: Final = "/run/secrets/bookpay/database/dsn"

LINKS: Final = {
    Service.GATEWAY.value: PodLink(
        service=Service.GATEWAY.value,
        callers=(Service.WORKER.value, Service.RECONCILER.value),
        watcher=Service.WORKER.value,
        canary=(f"--http={Service.GATEWAY.value}:8080",),
    ),
    TWIN: PodLink(
        service=TWIN,
        callers=(Service.GATEWAY.value,),
        watcher=Service.GATEWAY.value,
        canary=("--http=stripe-twin:8080",),
    ),
    "postgres": PodLink(
        service="postgres",
        callers=(),
        watcher=Service.WORKER.value,
        canary=(f"--dsn-file={_DSN_FILE}",),
    ),
}

# Where orders are refused while nothing passes; everywhere else each must be accepted.
REFUSING: Final = frozenset({"postgres"})


LOCAL_LINKS: Final = {
    Service.GATEWAY.value: Link(
        "to-gateway", LINKS[Service.GATEWAY.value].callers, Service.GATEWAY.value
    ),
    TWIN: Link("gateway-to-stripe", (Service.GATEWAY.value,), TWIN),
    "postgres": Link("to-postgres", tuple(service.value for service in Service), "postgres"),
}


class PartitionScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        point = context.request.point
        self.service = point.removesuffix(RESET_SUFFIX).removesuffix(BLACK_HOLE_SUFFIX)
        how = Toxicity.HOLD
        if point.endswith(RESET_SUFFIX):
            how = Toxicity.RESET
        elif point.endswith(BLACK_HOLE_SUFFIX):
            how = Toxicity.BLACK_HOLE
        self.partition = _partition(context, self.service, how)

    @property
    def faults(self) -> tuple[Partition | SickLink]:
        return (self.partition,)

    def prepare(self) -> None:
        """Lead the callers through the proxy before there are orders: that alone costs none."""
        self.partition.prepare()

    def observe(self) -> list[Item]:
        """What clients saw of it, and what Stripe was asked."""
        refusing = self.service in REFUSING
        answered = answers_during(self.context, self.partition.window, refusing=refusing)
        if self.service == TWIN and cluster_of(self.context.target) is not None:
            # What the twin was asked is read through its Service, and so through what is cut: the
            # audit asks afterwards.
            return answered
        return [*answered, *one_key_each(self.context, sent_again=False)]


def _partition(context: DrillContext, service: str, how: Toxicity) -> Partition | SickLink:
    """The same cut, by the Service in a cluster and by the callers' addresses elsewhere."""
    if cluster_of(context.target) is None:
        return sick_link(context, LOCAL_LINKS[service], Toxic(how, CUT_SECONDS))
    return Partition(
        context.cluster,
        context.run,
        prefix=context.slug,
        link=LINKS[service],
        how=how,
        seconds=CUT_SECONDS,
        observe=context.observe,
    )


DRILL: Final = Drill(
    slug="partition",
    question="nothing passes between a service and its callers, on open connections and on new"
    " ones: does anybody hang, is anybody charged twice by what arrives late?",
    expected="payments wait under their keys, orders are accepted or refused clearly, all drains",
    blast_radius=f"one service is cut off for {CUT_SECONDS:.0f} s; its callers are restarted"
    " before, in a cluster one after another, and their connections end when the proxy is removed",
    points={
        Service.GATEWAY.value: "no byte passes between the workers and the gateway",
        f"{Service.GATEWAY.value}{RESET_SUFFIX}": "their connections are reset",
        f"{Service.GATEWAY.value}{BLACK_HOLE_SUFFIX}": "what they say is lost, then all is reset",
        TWIN: "no byte passes between the gateway and Stripe's twin",
        f"{TWIN}{RESET_SUFFIX}": "their connections are reset",
        f"{TWIN}{BLACK_HOLE_SUFFIX}": "what they say is lost, then all is reset",
        "postgres": "no byte passes between the services and the database",
        f"postgres{RESET_SUFFIX}": "their connections are reset",
    },
    scenario=PartitionScenario,
    acts=(ClusterAct.DIVERT, ClusterAct.ROLL, ClusterAct.WATCH_INSIDE),
)
