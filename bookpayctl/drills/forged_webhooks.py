"""forged-webhooks: webhooks that nobody may believe come beside Stripe's own.

Question: is one of them believed, does one leave a row or an error of ours, and do Stripe's own
suffer? Expected: each is refused with a 4xx, nothing is written, and Stripe's own are received in
time.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from bookpayctl.clients.database import reading
from bookpayctl.clients.raw_http import RawRequest
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.heard_webhooks import database_now
from bookpayctl.drills.observing.real_webhooks import attempts, in_time_item, none_refused_item
from bookpayctl.drills.observing.spell import SPELL_SECONDS
from bookpayctl.faults.forgeries import ForgeriesSent
from bookpayctl.faults.process import TimeAway
from bookpayctl.faults.stripe import why_stripe_cannot_err
from bookpayctl.forgery import CASES
from bookpayctl.forgery.case import NOTHING, ForgeryInput
from bookpayctl.forgery.forge import signing_secret
from bookpayctl.load.probe_orders import wall_clock_seconds
from bookpayctl.report.verdict import Item
from bookpayctl.targets.environment import Environment

# Six times what the load causes itself; every one is a connection of its own.
RATE_PER_SECOND: Final = 100.0

LEFT_OUT: Final = frozenset({"W13", "W22"})
"""A time that is still to come comes true while it is sent again; a pace that lies takes ten
seconds, whatever comes of it."""

# Every body that `webhook forge` makes up has it.
MARK: Final = "%bookpayforge%"


def forgeries(environment: Environment) -> list[tuple[str, RawRequest]]:
    """The cases that must be refused and leave nothing, by name; signed at this moment."""
    parts = urlsplit(environment.webhook_url)
    material = ForgeryInput(
        signing_secret(environment), wall_clock_seconds(), parts.netloc, parts.path
    )
    return [
        (f"{case.id} {variant.name}", variant.request)
        for case in CASES
        if not case.needs and case.id not in LEFT_OUT
        for variant in case.variants(material)
        if variant.left == NOTHING
        and not variant.before
        and all(400 <= expected.status < 500 for expected in variant.expected)
    ]


class ForgedWebhooksScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.fault = ForgeriesSent(
            context.target,
            context.run,
            prefix=context.slug,
            requests=forgeries(context.environment),
            rate_per_second=RATE_PER_SECOND,
            seconds=SPELL_SECONDS,
        )
        self._since: datetime | None = None
        self._window = TimeAway(0.0, 0.0)

    @property
    def faults(self) -> tuple[ForgeriesSent]:
        return (self.fault,)

    def inject(self) -> None:
        self._since, began_at = database_now(self.context), time.time()
        super().inject()
        self._window = TimeAway(began_at, time.time())

    def observe(self) -> list[Item]:
        """What was answered, what it left, and what Stripe's own webhooks had of it."""
        rows = attempts(self.context)
        return [
            *answers_during(self.context, self._window, refusing=False),
            self._refused(),
            self._nothing_written(),
            none_refused_item(self.context, rows, self._window),
            in_time_item(self.context, rows, self._window),
        ]

    def _refused(self) -> Item:
        bad = self.fault.believed()
        return self.context.judged(
            "all-refused",
            "every forgery was refused",
            "an answer of 4xx to each: none believed, and no error of ours",
            f"{self.fault.answers.total()} sent, {len(bad)} kinds answered otherwise",
            good=not bad,
            examined=self.fault.answers.total(),
            evidence=bad[:5],
            fix="bookpayctl webhook forge --all",
        )

    def _nothing_written(self) -> Item:
        with reading(self.context.environment.dsn) as conn:
            row = conn.execute(
                "SELECT (SELECT count(*) FROM stripe_events"
                "  WHERE received_at >= %(since)s AND event_id LIKE %(mark)s),"
                " (SELECT count(*) FROM webhook_quarantine WHERE received_at >= %(since)s)",
                {"since": self._since, "mark": MARK},
            ).fetchone()
        stored, quarantined = row or (0, 0)
        return self.context.judged(
            "nothing-written",
            "no forgery left a row",
            "no event stored, none in quarantine",
            f"{stored} stored, {quarantined} in quarantine",
            good=stored == quarantined == 0,
            examined=self.fault.answers.total(),
            fix="bookpayctl webhook quarantine list",
        )


DRILL: Final = Drill(
    slug="forged-webhooks",
    question="webhooks that nobody may believe come beside Stripe's own: is one believed, and do"
    " Stripe's own suffer?",
    expected="each refused with a 4xx, no row written, Stripe's own received in time",
    blast_radius=f"{RATE_PER_SECOND:.0f} requests a second to the webhook receiver, for"
    f" {SPELL_SECONDS:.0f} s",
    points={"table": "every kind of `webhook forge` that must be refused, one after another"},
    scenario=ForgedWebhooksScenario,
    why_not=why_stripe_cannot_err,
)
