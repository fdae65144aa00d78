"""pod-ghost: a worker that the cluster has given up wakes up while others do its work.

It is frozen in the middle of charges and its pod is deleted: another pod comes at once, and the old
container lives on, as it cannot hear that it shall end. It wakes when its leases have run out and
others have charged under the same keys. Expected: what it still brings is fenced off, and it
changes nothing.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.leases import (
    lines_fenced,
    nothing_by_ghost,
    takeover_of,
    wait_for_takeover,
)
from bookpayctl.drills.observing.struck_order import StruckOrder
from bookpayctl.faults.ghost import GhostPod
from bookpayctl.faults.stripe import StripeFault, slow_charges, webhooks_held
from bookpayctl.report.verdict import Item
from bookpayctl.targets.cluster_target import ClusterAct
from bookpayctl.targets.platforms import CLUSTERS
from runtime.domain.names import Service

# After the leases of a small stack (15 s) and their takeover.
WAKE_SECONDS: Final = 22.0

# So that every worker has charges under way at every moment.
STRIPE_SECONDS: Final = 2.0

# Stripe's word would settle the payments before anybody takes over.
WEBHOOK_DELAY_SECONDS: Final = 35


class PodGhostScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.ghost = GhostPod(
            context.cluster,
            context.run,
            prefix=context.slug,
            service=context.request.point,
            wake_seconds=WAKE_SECONDS,
        )
        if context.environment.stripe_control_url is not None:
            self.aids = tuple(
                StripeFault(context.target, context.run, prefix=context.slug, definition=wish)
                for wish in (webhooks_held(WEBHOOK_DELAY_SECONDS), slow_charges(STRIPE_SECONDS))
            )

    @property
    def faults(self) -> tuple[GhostPod]:
        return (self.ghost,)

    def observe(self) -> list[Item]:
        """Who did the ghost's work, what it did itself, and what that came to."""
        ghost, window = self.ghost, self.ghost.window
        if window is None or not ghost.leases:
            raise LookupError(f"{ghost.ghost} was never a ghost with leases")
        steps = wait_for_takeover(self.context, ghost.leases)
        struck = next(iter(takeover_of(ghost.leases, steps).taken), ghost.leases[0])
        order = StruckOrder(self.context, order_id=struck.order_id, event_id=struck.event_id)
        return [
            nothing_by_ghost(
                *(self.context, ghost.leases, steps, self._fenced()),
                awake=ghost.haunting().awake > 0,
            ),
            *order.charged_once(requests_min=2),
            *order.paid_and_never_failed(),
            *answers_during(self.context, window, refusing=False),
        ]

    def _fenced(self) -> list[str]:
        return [] if self.ghost.log is None else lines_fenced(self.ghost.log.heard())


DRILL: Final = Drill(
    slug="pod-ghost",
    question="a worker is given up by the cluster in the middle of charges and wakes beside its"
    " successor: is anybody charged twice, or is a newer result overwritten?",
    expected="others take its leases over under the same keys, and what it brings is fenced off",
    blast_radius="one payments-worker pod, frozen and deleted; charges take"
    f" {STRIPE_SECONDS:g} s and webhooks come {WEBHOOK_DELAY_SECONDS} s late while it lasts",
    points={Service.WORKER.value: "attempts at Stripe are under way"},
    scenario=PodGhostScenario,
    platforms=CLUSTERS,
    acts=(ClusterAct.DELETE, ClusterAct.WATCH_INSIDE),
)
