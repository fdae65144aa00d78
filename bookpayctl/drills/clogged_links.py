"""clogged-links: random links of the stack clog one after another, and come free in another order.

Which, and in which orders, the seed decides. No byte passes a clogged link, and none is lost: what
was sent arrives late, so that parts of the stack hear of the same payment in orders that they
never hear otherwise. Expected: everything comes to rest by itself, each order where it belongs.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drill.sick_link import sick_link
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.keys import one_key_each
from bookpayctl.faults.link import SickLink, divert
from bookpayctl.faults.process import TimeAway
from bookpayctl.report.verdict import Item
from bookpayctl.targets.link import Link
from bookpayctl.targets.platforms import LOCAL
from bookpayctl.targets.toxic import Toxic, Toxicity
from runtime.domain.names import Service

STEP_SECONDS: Final = 1.5
CLOGGED: Final = 5

# Without those by which orders are accepted: they are to be accepted all the while.
LINKS: Final = (
    Link("to-gateway", (Service.WORKER.value, Service.RECONCILER.value), Service.GATEWAY.value),
    Link("gateway-to-stripe", (Service.GATEWAY.value,), "stripe-twin"),
    Link("stripe-to-receiver", ("stripe-twin",), Service.RECEIVER.value),
    Link("publisher-to-kafka", (Service.PUBLISHER.value,), "kafka"),
    Link("worker-to-kafka", (Service.WORKER.value,), "kafka"),
    Link("worker-to-postgres", (Service.WORKER.value,), "postgres"),
    Link("receiver-to-postgres", (Service.RECEIVER.value,), "postgres"),
)


def chosen(seed: int, links: Sequence[Link], count: int) -> tuple[list[Link], list[Link]]:
    """Some links in the order in which they clog, and the same in that in which they come free."""
    rng = random.Random(f"{seed}/clogs")
    clogging = rng.sample(list(links), count)
    return clogging, rng.sample(clogging, count)


class CloggedLinksScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        clogging, self.freeing = chosen(context.request.seed, LINKS, CLOGGED)
        # The longest that one can be clogged: from the first step to the last.
        toxic = Toxic(Toxicity.HOLD, 2 * CLOGGED * STEP_SECONDS)
        self.sick = [sick_link(context, link, toxic, part=f"{link.name}-") for link in clogging]

    @property
    def faults(self) -> list[SickLink]:
        return self.sick

    def prepare(self) -> None:
        """Lead every caller through its proxies at once, before there are orders."""
        divert(self.context.links, self.sick, self.context.observe)

    def inject(self) -> None:
        """Clog them in one order and free them in the other, a step apart."""
        # The steps are the experiment; nothing is waited for.
        step = threading.Event()
        for one in self.sick:
            one.begin()
            step.wait(STEP_SECONDS)
        by_link = {one.link: one for one in self.sick}
        for link in self.freeing:
            by_link[link].end()
            step.wait(STEP_SECONDS)
        for one in self.sick:
            one.wait_until_answered()

    def observe(self) -> list[Item]:
        """What clients saw of it, and what Stripe was asked."""
        return [
            *answers_during(self.context, self._window(), refusing=False),
            *one_key_each(self.context, sent_again=False),
        ]

    def _window(self) -> TimeAway:
        """From the first clog to the last."""
        windows = [one.window for one in self.sick if one.window is not None]
        return TimeAway(min(w.began_at for w in windows), max(w.ended_at for w in windows))


DRILL: Final = Drill(
    slug="clogged-links",
    question="links clog one after another and come free in another order, so that everything"
    " arrives late and out of turn: does anything stay stuck, get lost, or happen twice?",
    expected="orders accepted all the while; everything at rest soon after, one charge each",
    blast_radius=f"{CLOGGED} of {len(LINKS)} links, each for up to"
    f" {2 * CLOGGED * STEP_SECONDS:.0f} s; who calls through them is restarted before and after",
    points={"all": f"{CLOGGED} links that the seed chooses (--seed)"},
    publisher_points=frozenset({"all"}),
    scenario=CloggedLinksScenario,
    platforms=(LOCAL,),
)
