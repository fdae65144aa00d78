"""crash-mid-charge: the worker dies after Stripe took the money and before we wrote that down.

Expected: the restarted worker sends the same key again, Stripe replays its first answer, and the
order is paid; one charge, one key, at least two requests. Webhooks are held back meanwhile:
Stripe's would often settle the payment before the worker is back, and nothing would be sent again.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.attempts import wait_for_earlier_attempts
from bookpayctl.drills.observing.struck_order import StruckOrder
from bookpayctl.faults.failpoint import Aim, FailpointFault
from bookpayctl.faults.stripe import StripeFault, webhooks_held
from bookpayctl.report.verdict import Item

# Longer than a worker needs to be restarted and to take its leases back, shorter than the bound.
WEBHOOK_DELAY_SECONDS: Final = 20

RESPONSE_BEFORE_PERSIST: Final = "psp.response_before_persist"
BEFORE_COMMIT: Final = "worker.result_tx_before_commit"
BEFORE_PSP: Final = "worker.attempt_durable_before_psp"

# How often Stripe must have seen the key: before the crash and after it, or only after it.
REQUESTS_MIN: Final = {RESPONSE_BEFORE_PERSIST: 2, BEFORE_COMMIT: 2, BEFORE_PSP: 1}


class CrashMidChargeScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        parts = context.target, context.run
        point, aim = context.request.point, Aim(tenant_id=context.environment.tenant_id)
        self.crash = FailpointFault(*parts, prefix=context.slug, point=point, aim=aim)
        if context.environment.stripe_control_url is not None:
            held = webhooks_held(WEBHOOK_DELAY_SECONDS)
            self.aids = (StripeFault(*parts, prefix=context.slug, definition=held),)

    @property
    def faults(self) -> tuple[FailpointFault]:
        return (self.crash,)

    def inject(self) -> None:
        """Hold webhooks back, let what was under way end, then arm for the next order.

        An attempt that was under way may have executed before the hold began; its webhook would
        settle the payment while the worker is down.
        """
        for aid in self.aids:
            aid.inject()
        wait_for_earlier_attempts(self.context)
        self.crash.inject()

    def observe(self) -> list[Item]:
        """Stripe's side of the order that was being charged, then ours."""
        hit = self.crash.hit()
        if hit is None or hit.event_id is None or hit.order_id is None:
            raise LookupError(f"the hit of {self.crash.point} names no order: {hit}")
        self.context.observe(f"{hit.process} (pid {hit.pid}) died charging {hit.order_id}")
        order = StruckOrder(self.context, order_id=hit.order_id, event_id=hit.event_id)
        needed = REQUESTS_MIN[self.crash.point]
        return [*order.charged_once(requests_min=needed), *order.paid_and_never_failed()]


DRILL: Final = Drill(
    slug="crash-mid-charge",
    question="Stripe has taken the money and the worker dies before it is written down: is the"
    " customer charged once, and does the order become paid by itself?",
    expected="one charge, one key, the same key sent again after the restart, order paid",
    blast_radius="one payments-worker process, once; webhooks late by"
    f" {WEBHOOK_DELAY_SECONDS} s while it lasts; no order is lost",
    points={
        RESPONSE_BEFORE_PERSIST: "Stripe has answered, nothing is stored (F14)",
        BEFORE_COMMIT: "the result is written and not committed (F15)",
        BEFORE_PSP: "the attempt is on record, Stripe was not called (F12)",
    },
    scenario=CrashMidChargeScenario,
)
