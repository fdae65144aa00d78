"""half-open-connection: the workers' sessions of PostgreSQL are gone, and nobody told the workers.

A router or a proxy between them has forgotten the connections, or the far end was replaced without
a word: what is sent is acknowledged, and no answer comes. Neither TCP's time-outs fire nor the
server's for statements. Expected: the workers' own patience ends within ten seconds, they go on
with new sessions, and a result whose commit was not answered is neither lost nor doubled.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext
from bookpayctl.drill.sick_link import SickLinkScenario
from bookpayctl.drills.observing.claims import claims_went_on
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.keys import one_key_each
from bookpayctl.report.verdict import Item
from bookpayctl.targets.link import Link
from bookpayctl.targets.platforms import LOCAL
from bookpayctl.targets.toxic import Toxic, Toxicity
from runtime.domain.names import Service

HALF_OPEN_SECONDS: Final = 24.0

# The statement's own time-out, the patience beyond it, and a new session.
STANDSTILL_SECONDS_MAX: Final = 10.0

WORKER_TO_POSTGRES: Final = Link("worker-to-postgres", (Service.WORKER.value,), "postgres")


class HalfOpenScenario(SickLinkScenario):
    def __init__(self, context: DrillContext) -> None:
        toxic = Toxic(Toxicity.HALF_OPEN, HALF_OPEN_SECONDS)
        super().__init__(context, WORKER_TO_POSTGRES, toxic)

    def observe(self) -> list[Item]:
        """What clients saw of it, whether the workers went on, and what Stripe was asked."""
        window = self.sick.window
        return [
            *answers_during(self.context, window, refusing=False),
            claims_went_on(self.context, window, seconds_max=STANDSTILL_SECONDS_MAX),
            *one_key_each(self.context, sent_again=False),
        ]


DRILL: Final = Drill(
    slug="half-open-connection",
    question="the workers' database sessions are gone and nobody told the workers: how long do they"
    " wait for answers that never come, and is what they were committing lost or doubled?",
    expected="they give up within ten seconds and go on with new sessions; one charge each",
    blast_radius="every session that the workers have with PostgreSQL at one moment, for"
    f" {HALF_OPEN_SECONDS:.0f} s; the workers are restarted before and after",
    points={"payments-worker": "their sessions answer no more; new ones are as always"},
    scenario=HalfOpenScenario,
    platforms=(LOCAL,),
)
