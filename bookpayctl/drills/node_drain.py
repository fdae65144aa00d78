"""node-drain: a node is cordoned and its pods are evicted, within their disruption budgets.

Expected: with other nodes they move there and the node is left; on the only node each budget lets
one go, which waits until the node takes pods again, and the others go on. Orders are accepted all
the while, unless the database was let go as well.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.faults.node import NodeDrained
from bookpayctl.report.verdict import Item
from bookpayctl.targets.cluster_target import ClusterAct
from bookpayctl.targets.platforms import CLUSTERS
from runtime.domain.names import Service

SERVICES, ALL = "services", "all"

# With somewhere to go: each of two pods has to be replaced before the other one may leave.
DRAIN_SECONDS: Final = 90.0

# With nowhere to go nothing more comes of waiting; long enough for orders to be placed meanwhile.
ALONE_SECONDS: Final = 12.0

_SERVERS: Final = ("postgres", "kafka", "stripe-twin", "mail-sink")


class NodeDrainScenario(Scenario):
    # A kept connection ends with its pod, and a request may be on its way at that moment.
    clients_ask_again = True

    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        servers = _SERVERS if context.request.point == ALL else ()
        self.node = NodeDrained(
            context.cluster,
            context.run,
            prefix=context.slug,
            services=(*(service.value for service in Service), *servers),
            seconds=DRAIN_SECONDS,
            alone_seconds=ALONE_SECONDS,
            observe=context.observe,
        )

    @property
    def faults(self) -> tuple[NodeDrained]:
        return (self.node,)

    def observe(self) -> list[Item]:
        """What clients saw of it, and whether budgets kept what they promise."""
        refusing = self.context.request.point == ALL
        calls = answers_during(self.context, self.node.window, refusing=refusing)
        return [*calls, self._budgets(), self._emptied()]

    def _budgets(self) -> Item:
        """A service with several pods is never without any."""
        before, lowest = self.node.before, self.node.drained.lowest
        several = [service for service, count in before.items() if count > 1]
        bare = [service for service in several if lowest[service] == 0]
        return self.context.judged(
            "budgets-kept",
            "the disruption budgets were kept",
            "at least one pod of each service that has several, at every look",
            ", ".join(f"{service} {lowest[service]} of {before[service]}" for service in several),
            good=not bare,
            examined=len(several),
            fix="kubectl get poddisruptionbudgets -A",
        )

    def _emptied(self) -> Item:
        """With somewhere to go, everybody has gone; on the only node the rest was held back."""
        drained = self.node.drained
        if self.node.is_alone:
            stayed = [name for name in drained.left if name not in drained.evicted]
            held = [name for name in stayed if drained.held[name]]
            return self.context.judged(
                "held-back",
                "what had nowhere to go waited, and the rest was held back",
                "on the only node: each that is left there was refused by its budget",
                f"{len(drained.waiting)} waited, {len(held)} of {len(stayed)} were held back",
                good=len(held) == len(stayed),
                examined=len(stayed) + len(drained.waiting),
            )
        return self.context.judged(
            "node-emptied",
            "the node was left",
            f"nobody of this environment on it within {DRAIN_SECONDS:.0f} s",
            f"{len(drained.left)} left on it: {', '.join(drained.left) or 'nobody'}",
            good=not drained.left,
            examined=len(drained.evicted),
        )


DRILL: Final = Drill(
    slug="node-drain",
    question="a node is drained for maintenance: do the disruption budgets keep the shop open?",
    expected="every order accepted; each pod moves, or waits where there is no other node",
    blast_radius=f"one node takes nothing new, from anybody, for {DRAIN_SECONDS:.0f} s at most; the"
    " pods of this environment on it are evicted",
    points={
        SERVICES: "the pods of the seven services",
        ALL: "those of PostgreSQL, Kafka, the twin and the mail sink, too, which have no second",
    },
    scenario=NodeDrainScenario,
    platforms=CLUSTERS,
    acts=(ClusterAct.DRAIN,),
)
