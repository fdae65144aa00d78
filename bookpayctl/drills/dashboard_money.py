"""dashboard-money: a colleague refunds orders in the dashboard, and customers cancel the same ones.

Question: is more given back than was taken, or less, when two who do not know of each other give
it? Expected: what others gave counts; ours is what is left, and each order ends refunded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.database import reading, rows_of
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.own_orders import cancel, paid_orders
from bookpayctl.faults.dashboard import RefundedByOthers
from bookpayctl.judge.readers.stripe import StripeReader
from bookpayctl.report.money import shown_money
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import OrderStatus

PART, RACING, WHOLE = "part", "racing", "whole"

ORDERS: Final = 5

# Of an order's money, what the colleague gives back where it is a part.
PART_OF: Final = 3

_NOT_GIVEN: Final = frozenset({"failed", "canceled"})


@dataclass(frozen=True, slots=True)
class GivenBack:
    """One order: what it took, what Stripe has given back, and whether we know of the others'."""

    order_id: str
    status: str
    payment_intent_id: str
    amount_cents: int
    currency: str
    known_cents: int
    given_cents: int = 0


class DashboardMoneyScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.fault = RefundedByOthers(context.target, context.run, prefix=context.slug)
        self._orders: list[str] = []

    @property
    def faults(self) -> tuple[RefundedByOthers]:
        return (self.fault,)

    def inject(self) -> None:
        """The colleague first, both at once, or the colleague alone."""
        self._orders = paid_orders(self.context, ORDERS)
        whole, point = self.context.request.point == WHOLE, self.context.request.point
        self.fault.wanted = [
            (one.payment_intent_id, None if whole else one.amount_cents // PART_OF)
            for one in self._books()
        ]
        if point == RACING:
            _both(super().inject, lambda: cancel(self.context, self._orders))
            return
        super().inject()
        if point == PART:
            cancel(self.context, self._orders)

    def observe(self) -> list[Item]:
        """Whether the customers have their money, all of it and no more."""
        context = self.context
        waited = wait_until(
            self._books,
            lambda books: all(one.status == OrderStatus.REFUNDED for one in books),
            deadline_seconds=context.deadline_seconds,
            every_seconds=0.5,
        )
        books = [self._with_stripes_word(one) for one in waited.value]
        open_ones = [one for one in books if one.status != OrderStatus.REFUNDED]
        wrong = [one for one in books if one.given_cents != one.amount_cents]
        unknown = [one for one in books if not one.known_cents]
        return [
            context.judged_each(
                "orders-refunded",
                "every order came to its end",
                f"each refunded within {context.deadline_seconds:.0f} s",
                open_ones,
                lambda one: f"{one.order_id}: {one.status}",
                of=books,
                seen=f"after {waited.seconds:.1f} s",
                fix="bookpayctl refund list",
            ),
            context.judged_each(
                "given-back-once",
                "the customers have their money, and no more",
                "what Stripe gave back of each is what it took",
                wrong,
                lambda one: (
                    f"{one.order_id}: {shown_money(one.given_cents, one.currency)} of"
                    f" {shown_money(one.amount_cents, one.currency)}"
                ),
                of=books,
                seen="as required",
            ),
            context.judged_each(
                "others-are-known",
                "our books know of the others' refunds",
                "a row in outside_refunds for each",
                unknown,
                lambda one: one.order_id,
                of=books,
                seen="have one",
            ),
        ]

    def _books(self) -> list[GivenBack]:
        with reading(self.context.environment.dsn) as conn:
            return rows_of(
                conn,
                GivenBack,
                "SELECT o.id AS order_id, o.status, p.payment_intent_id, p.amount_cents,"
                " p.currency, (SELECT coalesce(sum(r.amount_cents), 0)::bigint"
                "   FROM outside_refunds r WHERE r.event_id = p.event_id) AS known_cents,"
                " 0 AS given_cents"
                " FROM orders o JOIN payments p ON p.order_id = o.id"
                " WHERE o.id = ANY (%(orders)s) ORDER BY o.id",
                {"orders": self._orders},
            )

    def _with_stripes_word(self, one: GivenBack) -> GivenBack:
        refunds = StripeReader(self.context.environment).objects(
            "refunds", payment_intent=one.payment_intent_id
        )
        given = sum(int(row["amount"]) for row in refunds if row["status"] not in _NOT_GIVEN)
        return GivenBack(
            *(one.order_id, one.status, one.payment_intent_id, one.amount_cents, one.currency),
            known_cents=one.known_cents,
            given_cents=given,
        )


def _both(one: Callable[[], None], other: Callable[[], None]) -> None:
    """Do two things at once; whatever either raises is raised."""
    raised: list[Exception] = []

    def run() -> None:
        try:
            other()
        except Exception as error:  # noqa: BLE001 - it is raised by whoever waits
            raised.append(error)

    thread = threading.Thread(target=run, name="other", daemon=True)
    thread.start()
    one()
    thread.join()
    if raised:
        raise raised[0]


DRILL: Final = Drill(
    slug="dashboard-money",
    question="somebody refunds orders in the dashboard while customers cancel them: is more given"
    " back than was taken, or less?",
    expected="what others gave counts, ours is what is left; each order ends refunded",
    blast_radius=f"{ORDERS} paid orders of the drill's own are refunded; the audit warns of refunds"
    " that others made (I24)",
    points={
        PART: "a third of each is given back, then its customer cancels",
        RACING: "a third of each, while its customer cancels",
        WHOLE: "all of each, and nobody cancels",
    },
    scenario=DashboardMoneyScenario,
)
