"""A race: many buyers want the one copy that there is of a title, all at the same moment.

The titles are made up for the run and stay, sold out. The buyers are customers of the shop: their
orders are judged like any other.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from bookpayctl.clients.database import writing
from bookpayctl.clients.orders_api import CallEnd, OrdersApi, Outcome
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.targets.target import Target

PRICE_CENTS: Final = 1300

TRIES_MAX: Final = 20
"""A buyer who is told to come again does; the copy is sold or not by then."""

TOGETHER_SECONDS_MAX: Final = 30.0

OUT_OF_STOCK: Final = "out_of_stock"


@dataclass(frozen=True, slots=True)
class Race:
    """What the buyers of one title were told at last, one each."""

    sku: str
    ends: tuple[CallEnd, ...]

    @property
    def order_ids(self) -> tuple[str, ...]:
        """Orders that were accepted: one, or more were sold than there are."""
        accepted = (end.order_id for end in self.ends if end.outcome is Outcome.OK)
        return tuple(order_id for order_id in accepted if order_id is not None)

    @property
    def refused(self) -> int:
        """Buyers who were told that there is none left."""
        return sum(end.code == OUT_OF_STOCK for end in self.ends)

    @property
    def words(self) -> str:
        answers = Counter(
            f"{end.status or 'no answer'} {end.code or ''}".strip() for end in self.ends
        )
        told = ", ".join(f"{count} x {what}" for what, count in answers.most_common())
        return f"{self.sku}: {told}"


class LastCopyWanted(Fault):
    """One title after another, each with one copy and so many buyers.

    Args:
        currency: that of the shop.
        order_of: the body of an order for one copy: of a sku, by a customer of that id.
    """

    def __init__(
        self, target: Target, run: Run, *, prefix: str, buyers: int, titles: int, currency: str,
        order_of: Callable[[str, str], dict[str, Any]],
    ) -> None:  # fmt: skip
        super().__init__(target, run, prefix=prefix)
        self.buyers = buyers
        self.titles = titles
        self.races: list[Race] = []
        self._currency = currency
        self._order_of = order_of

    def plan_undo(self) -> None:
        self._plan(undo.WITHDRAW_TITLES, sku_prefix=self._sku_prefix)

    @property
    def _sku_prefix(self) -> str:
        return f"last-{self.run.run_id}-"

    def inject(self) -> None:
        environment = self.target.environment
        api = OrdersApi(environment.orders_url, environment.secret("orders-token"), under_load=True)
        with ThreadPoolExecutor(self.buyers, thread_name_prefix="buyer") as pool:
            for number in range(self.titles):
                sku = f"{self._sku_prefix}{number}"
                self._put_on_sale(sku)
                # With a barrier they ask at the same moment, and not as they are started.
                buy = partial(self._buy, api, sku, threading.Barrier(self.buyers))
                ends = pool.map(buy, range(self.buyers))
                self.races.append(Race(sku, tuple(ends)))
        self.run.journal("raced", fault="last_copy_wanted", titles=len(self.races))

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """By the answers of the orders service: for each title somebody came too late."""
        del deadline_seconds  # every buyer has an answer
        title = "buyers raced for one copy"
        required = f"{self.buyers} buyers of each title, of whom somebody is told that none is left"
        idle = [race.sku for race in self.races if not race.refused]
        if idle or not self.races:
            reason = f"nobody was too late for {', '.join(idle) or 'anything'}"
            return [self._unproven("buyers-raced", title, required, reason)]
        observed = f"{len(self.races)} titles, {sum(race.refused for race in self.races)} too late"
        words = tuple(race.words for race in self.races[:5])
        return [self._proven("buyers-raced", title, required, observed, len(self.races), words)]

    def _put_on_sale(self, sku: str) -> None:
        with writing(self.target.environment.dsn) as conn:
            conn.execute(
                "INSERT INTO inventory (sku, title, unit_price_cents, currency, initial, on_hand)"
                " VALUES (%s, %s, %s, %s, 1, 1)",
                (sku, "The last copy of a drill", PRICE_CENTS, self._currency),
            )

    def _buy(self, api: OrdersApi, sku: str, together: threading.Barrier, buyer: int) -> CallEnd:
        order = self._order_of(sku, f"buyer-{buyer}")
        client_key = f"{self.run.run_id}-race-{sku}-{buyer}"
        together.wait(TOGETHER_SECONDS_MAX)
        ends: list[CallEnd] = []
        while len(ends) < TRIES_MAX and (not ends or ends[-1].outcome is Outcome.UNKNOWN):
            ends.append(api.place(order, client_key=client_key).call_end())
        return ends[-1]


def sold_too_often(races: Sequence[Race]) -> list[Race]:
    """Races that did not end with one buyer who has the copy and all others told so. Pure."""
    return [
        race for race in races if len(race.order_ids) != 1 or race.refused != len(race.ends) - 1
    ]
