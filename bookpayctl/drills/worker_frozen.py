"""worker-frozen: a worker freezes in the middle of a charge, and wakes when others have its work.

Question: does a worker that slept through its leases charge once more, or overwrite what others
have written meanwhile? Expected: its group goes on without it, others charge under the same keys,
and what it brings when it wakes is fenced off by its lease's token.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.attempts import wait_for_earlier_attempts
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.leases import nothing_by_ghost, takeover_of, wait_for_takeover
from bookpayctl.drills.observing.struck_order import StruckOrder
from bookpayctl.faults.failpoint import Aim
from bookpayctl.faults.frozen import WorkerFrozen
from bookpayctl.faults.stripe import StripeFault, webhooks_held
from bookpayctl.report.verdict import Item
from bookpayctl.targets.platforms import LOCAL
from runtime.domain.names import Service

STRIPE_ANSWERED: Final = "psp.response_before_persist"
BEFORE_STRIPE: Final = "worker.attempt_durable_before_psp"

# Longer than a lease and its takeover: Stripe's word would settle the payment before that.
WEBHOOK_DELAY_SECONDS: Final = 25

REQUESTS_MIN: Final = {STRIPE_ANSWERED: 2, BEFORE_STRIPE: 1}


class WorkerFrozenScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        parts, prefix = (context.target, context.run), context.slug
        self.before = context.target.mark()
        self.worker = WorkerFrozen(
            *parts,
            prefix=prefix,
            point=context.request.point,
            aim=Aim(tenant_id=context.environment.tenant_id),
            group=Service.WORKER.value,
        )
        if context.environment.stripe_control_url is not None:
            held = webhooks_held(WEBHOOK_DELAY_SECONDS)
            self.aids = (StripeFault(*parts, prefix=prefix, definition=held),)

    @property
    def faults(self) -> tuple[WorkerFrozen]:
        return (self.worker,)

    def inject(self) -> None:
        """Hold webhooks back, let what was under way end, then freeze whoever comes by next."""
        for aid in self.aids:
            aid.inject()
        wait_for_earlier_attempts(self.context)
        self.worker.freeze(seconds_max=self.context.deadline_seconds)

    def observe(self) -> list[Item]:
        """Who did its work, what it did itself when it woke, and what that came to."""
        worker, context = self.worker, self.context
        hit = worker.frozen
        if hit is None or not worker.leases:
            raise LookupError(f"nobody froze with a lease at {worker.point}")
        steps = wait_for_takeover(context, worker.leases)
        struck = next(iter(takeover_of(worker.leases, steps).taken), worker.leases[0])
        order = StruckOrder(context, order_id=struck.order_id, event_id=struck.event_id)
        fenced = fenced_lines(context.target.log_since(hit.process, self.before))
        return [
            nothing_by_ghost(context, worker.leases, steps, fenced, awake=worker.awake),
            *order.charged_once(requests_min=REQUESTS_MIN[worker.point]),
            *order.paid_and_never_failed(),
            *answers_during(context, worker.window, refusing=False),
        ]


def fenced_lines(lines: Iterable[str]) -> list[str]:
    """What a worker's log says of results that were not the row's any more. Pure."""
    found = []
    for line in lines:
        if '"fenced"' not in line:
            continue
        said = json.loads(line)
        named = {key: said.get(key) for key in ("order_id", "status", "result")}
        found.append(json.dumps(named))
    return found


DRILL: Final = Drill(
    slug="worker-frozen",
    question="a worker freezes in the middle of a charge for longer than its lease and its group"
    " session: is anybody charged twice, or is a newer result overwritten, when it wakes?",
    expected="others take its leases over under the same keys, what it brings is fenced off",
    blast_radius="one payments-worker process, frozen for 30 s; webhooks late by"
    f" {WEBHOOK_DELAY_SECONDS} s while it lasts",
    points={
        STRIPE_ANSWERED: "Stripe has answered, nothing is stored (F14)",
        BEFORE_STRIPE: "the attempt is on record, Stripe was not called (F12)",
    },
    scenario=WorkerFrozenScenario,
    # In a pod nobody but its own process can freeze it; there `pod-ghost` asks the same.
    platforms=(LOCAL,),
)
