"""webhooks-early: Stripe tells of charges that our payments ledger does not know yet.

As after a ledger was put back to an earlier state, or where the worker is far behind: the gateway
is asked to charge orders that the worker has not taken in, as the worker will ask it. Question: is
what Stripe tells of them kept? Expected: it is parked, not dropped; the worker comes, sends the
same key and is answered as the first was; one charge, the order is paid, the webhook is processed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bookpayctl.clients.gateway_api import GatewayApi
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.heard_webhooks import (
    HeardWebhooks,
    all_processed_item,
    database_now,
    heard_since,
    no_regress_item,
)
from bookpayctl.drills.observing.own_orders import OwnOrder, own_orders
from bookpayctl.drills.observing.struck_charges import (
    charged_item,
    ended,
    ended_item,
    never_wrong_item,
    same_key_item,
    wait_for_struck,
)
from bookpayctl.faults.process import ProcessAway
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import OrderStatus, Service

EARLY: Final = 5

# After the early charges; their webhooks come within it.
AWAY_SECONDS: Final = 3.0


class WebhooksEarlyScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.away = ProcessAway(
            context.target,
            context.run,
            prefix=context.slug,
            process=Service.WORKER.value,
            seconds=AWAY_SECONDS,
            meanwhile=self._charge_early,
        )
        self._early: list[OwnOrder] = []
        self._since: datetime | None = None
        self._heard: HeardWebhooks | None = None

    @property
    def faults(self) -> tuple[ProcessAway]:
        return (self.away,)

    def observe(self) -> list[Item]:
        """Whether they were parked, and what became of the orders when the worker was back."""
        context, keys = self.context, {one.event_id for one in self._early}
        if self._since is None or self._heard is None:
            raise LookupError("nothing was charged early")
        waited = wait_for_struck(context, keys, ended(OrderStatus.PAID))
        struck = waited.value
        return [
            *answers_during(context, self.away.window, refusing=False),
            self._parked(self._heard),
            ended_item(context, struck, waited.seconds, OrderStatus.PAID),
            never_wrong_item(context, struck),
            no_regress_item(context, struck),
            charged_item(context, struck, 1),
            same_key_item(context, struck),
            all_processed_item(context, self._since),
        ]

    def _charge_early(self) -> None:
        """Charge orders that nobody has taken in, and see what Stripe tells of them arrive.

        Raises:
            LookupError: there are no such orders.
            GatewayError: one was not settled.
        """
        context = self.context
        self._since = database_now(context)
        waited = wait_until(
            lambda: [one for one in own_orders(context) if not one.taken_in],
            lambda found: len(found) >= EARLY,
            deadline_seconds=context.deadline_seconds,
        )
        if not waited.reached:
            raise LookupError(f"{len(waited.value)} orders were placed meanwhile, not {EARLY}")
        environment = context.environment
        gateway = GatewayApi(environment.gateway_url, environment.secret("gateway-token"))
        self._early = waited.value[:EARLY]
        for order in self._early:
            gateway.settle(
                {
                    "event_id": order.event_id,
                    "order_id": order.order_id,
                    "tenant_id": order.tenant_id,
                    "amount_cents": order.total_cents,
                    "currency": order.currency,
                    "payment_method": order.payment_method,
                }
            )
        since = self._since
        self._heard = wait_until(
            lambda: heard_since(context, since),
            lambda heard: heard.stored >= EARLY,
            deadline_seconds=context.deadline_seconds,
        ).value

    def _parked(self, heard: HeardWebhooks) -> Item:
        return self.context.judged(
            "webhooks-parked",
            "what came early was kept",
            f"at least {EARLY} webhooks parked while the worker was away, none in quarantine",
            f"{heard.parked} parked of {heard.stored} stored, {len(heard.quarantined)} in"
            " quarantine",
            good=heard.parked >= EARLY and not heard.quarantined,
            examined=heard.stored,
            evidence=sorted(set(heard.quarantined)),
            fix="bookpayctl logs payments-webhook-receiver",
        )


DRILL: Final = Drill(
    slug="webhooks-early",
    question="Stripe tells of charges that our ledger does not know yet: is it kept until it does,"
    " and is anybody charged again?",
    expected="parked, then processed; the same key, one charge, the order paid",
    blast_radius=f"the workers are away for some seconds, and {EARLY} orders are charged before"
    " they come",
    points={"before-our-row": "the gateway charges orders that no worker has taken in"},
    scenario=WebhooksEarlyScenario,
)
