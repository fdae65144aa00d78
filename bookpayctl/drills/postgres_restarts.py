"""postgres-restarts: PostgreSQL is killed without a chance to end in order, several times.

Question: is anything lost that was acknowledged, to a client or to Stripe? Expected: orders and
webhooks are refused with 503 while it is away, accepted by themselves when it is back, and what was
acknowledged before is there.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.deliveries import webhooks_refused_for_now
from bookpayctl.drills.observing.recovery import accepted_again
from bookpayctl.faults.process import RepeatedKills
from bookpayctl.faults.stripe import StripeFault, webhooks_held
from bookpayctl.report.verdict import Item

AGAIN_AND_AGAIN: Final = "again-and-again"

# With the seconds of its recovery, five kills in the usual load.
REST_SECONDS: Final = 4.0

# The load goes on after the last one, so that recovery is seen under load.
CALM_SECONDS: Final = 6.0

ACCEPTED_AGAIN_SECONDS_MAX: Final = 30.0

# Webhooks of what was charged just before come when it is away.
WEBHOOK_DELAY_SECONDS: Final = 1


class PostgresRestartsScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        parts = context.target, context.run
        self.kills = RepeatedKills(
            *parts,
            prefix=context.slug,
            victims=["postgres"],
            seed=context.request.seed,
            seconds=context.request.duration_seconds - CALM_SECONDS,
            back_seconds_max=context.deadline_seconds,
            observe=context.observe,
            rest_seconds=REST_SECONDS,
        )
        if context.environment.stripe_control_url is not None:
            held = webhooks_held(WEBHOOK_DELAY_SECONDS)
            self.aids = (StripeFault(*parts, prefix=context.slug, definition=held),)

    @property
    def faults(self) -> tuple[RepeatedKills]:
        return (self.kills,)

    def observe(self) -> list[Item]:
        """What clients and Stripe were told, and how soon it was over after the last kill."""
        window, context = self.kills.window, self.context
        if window is None:
            raise LookupError("it was never killed")
        return [
            *answers_during(context, window, refusing=True),
            webhooks_refused_for_now(context, window),
            accepted_again(
                context, window.ended_at - REST_SECONDS, seconds_max=ACCEPTED_AGAIN_SECONDS_MAX
            ),
        ]


DRILL: Final = Drill(
    slug="postgres-restarts",
    question="PostgreSQL is killed again and again under load: is anything lost that a client or"
    " Stripe was thanked for, and is all accepted again by itself?",
    expected="503 with Retry-After meanwhile, 503 and never 200 for webhooks, nothing lost",
    blast_radius="PostgreSQL of this environment, some seconds each time; webhooks late by"
    f" {WEBHOOK_DELAY_SECONDS} s while it lasts",
    points={AGAIN_AND_AGAIN: "SIGKILL of the server, each time a few seconds after it was back"},
    scenario=PostgresRestartsScenario,
)
