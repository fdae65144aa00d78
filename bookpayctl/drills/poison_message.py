"""poison-message: records that nobody can read are put among those of orders.placed.

Question: does one bad record hold up its partition, cost an order behind it, or get lost?
Expected: the worker reads past each within the deadline, each has a dead letter that was durable
before the offset, and every order of the load is paid as if nothing had been there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.poison import PoisonWatch
from bookpayctl.faults.poison import PoisonSent
from bookpayctl.report.verdict import Item
from bookpayctl.targets.platforms import LOCAL
from runtime.domain.names import Topic

# More than the topic has partitions, so that several of them have to move on.
POISON_COUNT: Final = 6

# Above the 900,000 bytes that an event may have, below what the broker takes.
TOO_LARGE_BYTES: Final = 950_000


@dataclass(frozen=True, slots=True)
class Poison:
    """What a record says, what its dead letter must give as its reason, and what it is in words."""

    value: bytes
    reason: str
    words: str


KINDS: Final = {
    "bad-json": Poison(b'{"order_id": "ord_', "bad_json", "JSON that breaks off"),
    "bad-schema": Poison(
        json.dumps({"version": 1, "amount_cents": 100, "currency": "usd"}).encode(),
        "order_id",
        "a JSON object that names no order",
    ),
    "unknown-version": Poison(
        json.dumps({"version": 99, "order_id": "ord_of_tomorrow"}).encode(),
        "unknown_version",
        "an event of a version that is not ours",
    ),
    "too-large": Poison(b'"' + b"x" * TOO_LARGE_BYTES + b'"', "too_large", "950 kB of text"),
}


class PoisonMessageScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        point = context.request.point
        self.kind = KINDS[point]
        self.poison = PoisonSent(
            context.target,
            context.run,
            prefix=context.slug,
            topic=Topic.ORDERS_PLACED.value,
            kind=point,
            value=self.kind.value,
            count=POISON_COUNT,
        )
        self.watch = PoisonWatch(context)

    @property
    def faults(self) -> tuple[PoisonSent]:
        return (self.poison,)

    def inject(self) -> None:
        """Send it, and look at once: which comes first cannot be seen later."""
        self.poison.inject()
        self.watch.watch(self.poison.sent)

    def observe(self) -> list[Item]:
        """What became of the records; the orders are for the audit."""
        return self.watch.items(self.poison.sent, reason=self.kind.reason)


DRILL: Final = Drill(
    slug="poison-message",
    question="records that nobody can read are among those of the shop: does one hold up its"
    " partition, cost an order behind it, or get lost?",
    expected="each is read past and has a dead letter before its offset; every order is paid",
    blast_radius=f"{POISON_COUNT} records in {Topic.ORDERS_PLACED.value}, which stay there; their"
    " dead letters stay open, and are explained by this run",
    points={name: kind.words for name, kind in KINDS.items()},
    scenario=PoisonMessageScenario,
    # In a cluster a topic may take records from its services' users alone.
    platforms=(LOCAL,),
)
