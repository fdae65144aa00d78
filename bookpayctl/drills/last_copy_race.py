"""last-copy-race: many buyers want the last copy of a title at the same moment.

Question: is one copy sold twice, or a buyer charged for one that there is not? Expected: exactly
one order is accepted and paid for each title, everybody else is told that there is none left.
"""

from __future__ import annotations

from typing import Any, Final

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.faults.race import PRICE_CENTS, LastCopyWanted, sold_too_often
from bookpayctl.load.probe_orders import (
    PAYMENT_METHOD_THAT_PAYS,
    Title,
    order_document,
    titles_in_stock,
)
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import OrderStatus

TITLES: Final = 10
BUYERS: Final = {"40-buyers": 40, "4-buyers": 4}


class LastCopyRaceScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.currency = titles_in_stock(context.environment)[0].currency
        self.wanted = LastCopyWanted(
            *(context.target, context.run),
            prefix=context.slug,
            buyers=BUYERS[context.request.point],
            titles=TITLES,
            currency=self.currency,
            order_of=self._one_copy,
        )

    @property
    def faults(self) -> tuple[LastCopyWanted]:
        return (self.wanted,)

    def observe(self) -> list[Item]:
        """What buyers were told, and who paid."""
        return [self._sold_once(), self._paid_once()]

    def _one_copy(self, sku: str, customer_id: str) -> dict[str, Any]:
        title = Title(sku, PRICE_CENTS, self.currency)
        return order_document(
            title, payment_method=PAYMENT_METHOD_THAT_PAYS, customer_id=customer_id
        )

    def _sold_once(self) -> Item:
        races = self.wanted.races
        wrong = sold_too_often(races)
        return self.context.judged_each(
            "sold-once",
            "each copy was sold once",
            "one buyer of each title accepted, all others told out_of_stock",
            wrong,
            lambda race: f"{len(race.order_ids)} orders: {race.words}",
            of=races,
            seen="titles",
            fix="bookpayctl audit",
        )

    def _paid_once(self) -> Item:
        """Waits: whoever has the copy pays for it."""
        seconds_max = self.context.deadline_seconds
        wanted = sorted(race.sku for race in self.wanted.races)
        waited = wait_until(
            lambda: self._paid(wanted),
            lambda paid: paid == wanted,
            deadline_seconds=seconds_max,
        )
        return self.context.judged(
            "paid-once",
            "each copy was paid once",
            f"one paid order of each title within {seconds_max:.0f} s",
            f"{len(waited.value)} paid orders of {len(set(waited.value))} of {len(wanted)} titles",
            good=waited.reached,
            examined=len(wanted),
            fix="bookpayctl status",
        )

    def _paid(self, skus: list[str]) -> list[str]:
        with reading(self.context.environment.dsn) as conn:
            rows = conn.execute(
                "SELECT r.sku FROM reservations r JOIN orders o ON o.id = r.order_id"
                " WHERE r.sku = ANY (%s) AND o.status = %s ORDER BY r.sku",
                (skus, OrderStatus.PAID.value),
            ).fetchall()
        return [str(sku) for (sku,) in rows]


DRILL: Final = Drill(
    slug="last-copy-race",
    question="many buyers want the last copy of a title at the same moment: is it sold twice, or"
    " somebody charged for one that there is not?",
    expected="one order of each title accepted and paid, everybody else told out_of_stock",
    blast_radius=f"{TITLES} titles are made up and stay in the catalogue, sold out",
    points={name: f"{count} buyers of one copy" for name, count in BUYERS.items()},
    scenario=LastCopyRaceScenario,
)
