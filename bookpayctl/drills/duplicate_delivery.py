"""duplicate-delivery: every webhook comes several times at once, or every record of the log does.

Question: does what comes twice have an effect twice? Expected: no; one charge, one outcome, one
event of each kind for each order, and no payment goes back from its end.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.heard_webhooks import no_regress_item
from bookpayctl.drills.observing.own_orders import OwnOrder, cancel, own_orders, paid_orders
from bookpayctl.drills.observing.spell import Spell
from bookpayctl.drills.observing.struck_charges import (
    StruckCharge,
    all_closed,
    closed_item,
    wait_for_struck,
)
from bookpayctl.faults.records_again import RecordsAgain
from bookpayctl.faults.stripe import StripeFault, why_stripe_cannot_err
from bookpayctl.load.plan import OrderKind
from bookpayctl.report.verdict import Item
from runtime.domain.names import Topic

RECORDS, WEBHOOKS = "records", "webhooks"

COPIES: Final = 5
TIMES: Final = 3
CANCELLED: Final = 3

TOPICS: Final = tuple(topic.value for topic in Topic if topic is not Topic.ORDERS_PLACED_DLQ)


class DuplicateDeliveryScenario(Scenario):
    mix = {OrderKind.OK: 8, OrderKind.DECLINED: 2}

    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        parts, prefix = (context.target, context.run), context.slug
        self.fault: StripeFault | RecordsAgain
        if context.request.point == WEBHOOKS:
            definition = {"action": "webhook_duplicate", "numbers": {"copies": COPIES}}
            self.fault = StripeFault(*parts, prefix=prefix, definition=definition)
        else:
            self.fault = RecordsAgain(*parts, prefix=prefix, topics=TOPICS, times=TIMES)
        self.spell = Spell()

    @property
    def faults(self) -> tuple[StripeFault | RecordsAgain]:
        return (self.fault,)

    def inject(self) -> None:
        """Webhooks from now on; records once there are some, a cancellation's among them."""
        self.spell.begin()
        if self.context.request.point == WEBHOOKS:
            super().inject()
        cancel(self.context, paid_orders(self.context, CANCELLED))
        self.spell.let_pass()
        if self.context.request.point == RECORDS:
            super().inject()

    def observe(self) -> list[Item]:
        """What came of the orders whose news came several times."""
        context = self.context
        if isinstance(self.fault, StripeFault):
            self.fault.end()
        window = self.spell.window()
        orders = [one for one in own_orders(context) if one.taken_in]
        keys = {one.event_id for one in orders}
        waited = wait_for_struck(context, keys, all_closed)
        return [
            *answers_during(context, window, refusing=False),
            closed_item(context, waited.value, waited.seconds),
            no_regress_item(context, waited.value),
            self._charged_at_most_once(waited.value),
            self._events_once(orders),
        ]

    def _charged_at_most_once(self, charges: list[StruckCharge]) -> Item:
        bad = [one for one in charges if one.charges > 1]
        return self.context.judged(
            "charged-once",
            "nobody was charged twice",
            "at most 1 charge at Stripe for each order",
            f"{sum(one.charges for one in charges)} charges of {len(charges)} orders",
            good=not bad,
            examined=len(charges),
            evidence=[f"{one.order_id}: {one.charges} charges" for one in bad[:5]],
        )

    def _events_once(self, orders: list[OwnOrder]) -> Item:
        """One event of each kind for each order, and one letter for each event."""
        ids = [one.order_id for one in orders]
        with reading(self.context.environment.dsn) as conn:
            rows = conn.execute(
                "SELECT coalesce(payload::jsonb ->> 'order_id', aggregate_id), event_type, count(*)"
                " FROM outbox WHERE coalesce(payload::jsonb ->> 'order_id', aggregate_id)"
                " = ANY (%s) GROUP BY 1, 2",
                (ids,),
            ).fetchall()
        bad = [f"{order}: {count} x {kind}" for order, kind, count in rows if count > 1]
        return self.context.judged(
            "events-once",
            "nothing was told twice",
            "one event of each kind for each order",
            f"{len(rows) - len(bad)} of {len(rows)} kinds of events once",
            good=not bad,
            examined=len(rows),
            evidence=bad[:5],
        )


DRILL: Final = Drill(
    slug="duplicate-delivery",
    question="every webhook comes five times at once, or every record three times: is anything done"
    " twice?",
    expected="the same state as if each had come once",
    blast_radius=f"copies of the drill's records stay in their topics; {CANCELLED} paid orders of"
    " its own are cancelled",
    points={
        RECORDS: f"every record of the load is produced again, {TIMES} of each in all",
        WEBHOOKS: f"every webhook is delivered {COPIES} times at once",
    },
    scenario=DuplicateDeliveryScenario,
    why_not=why_stripe_cannot_err,
)
