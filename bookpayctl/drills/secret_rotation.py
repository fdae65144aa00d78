"""secret-rotation: the webhook's signing secret is replaced while webhooks come.

Question: is any good webhook refused while both secrets hold, and any of the old secret's believed
once it is gone? Expected: none and none, without a restart.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bookpayctl.clients.raw_http import exchange
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.real_webhooks import attempts, none_refused_item
from bookpayctl.faults.process import TimeAway
from bookpayctl.faults.secret import SecretRotated
from bookpayctl.faults.stripe import why_stripe_cannot_err
from bookpayctl.forgery.case import ForgeryInput, encoded, event, honest
from bookpayctl.load.probe_orders import wall_clock_seconds
from bookpayctl.report.verdict import Item
from bookpayctl.targets.platforms import LOCAL

# Each step; the twin looks at its file once a second.
STEP_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What the receiver said to one honest event; `status` None for no answer."""

    when: str
    signed_with: str
    required: int
    status: int | None

    @property
    def words(self) -> str:
        return f"{self.when}, signed with the {self.signed_with}: {self.status}"


class SecretRotationScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.fault = SecretRotated(context.target, context.run, prefix=context.slug)
        self._began_at = 0.0

    @property
    def faults(self) -> tuple[SecretRotated]:
        return (self.fault,)

    def inject(self) -> None:
        self._began_at = time.time()
        super().inject()

    def observe(self) -> list[Item]:
        """Send one event under each secret in both steps, while Stripe's own go on."""
        context, fault = self.context, self.fault
        both = [self._sent("while both hold", word, 200) for word in ("old", "new")]
        # The length of each step is the experiment; nothing is waited for.
        threading.Event().wait(STEP_SECONDS)
        fault.drop_old()
        alone = [
            self._sent("when the old is gone", "old", 400),
            self._sent("when the old is gone", "new", 200),
        ]
        threading.Event().wait(STEP_SECONDS)
        window = TimeAway(self._began_at, time.time())
        return [
            *answers_during(context, window, refusing=False),
            self._item("overlap", "both secrets hold in the overlap", both),
            self._item("old-is-gone", "the new secret alone holds afterwards", alone),
            none_refused_item(context, attempts(context), window),
        ]

    def _sent(self, when: str, signed_with: str, required: int) -> Answered:
        body = self._registered_event()
        parts = urlsplit(self.context.environment.webhook_url)
        secret = self.fault.old if signed_with == "old" else self.fault.new
        material = ForgeryInput(secret, wall_clock_seconds(), parts.netloc, parts.path)
        heard = exchange(parts.hostname or "", parts.port or 80, honest(material, body))
        return Answered(when, signed_with, required, heard.status)

    def _registered_event(self) -> bytes:
        """A harmless event that Stripe does not know; registered, so that no audit wonders."""
        named = event()
        self.context.run.probe("stripe_event", named["id"])
        return encoded(id=named["id"])

    def _item(self, name: str, title: str, answers: list[Answered]) -> Item:
        bad = [one for one in answers if one.status != one.required]
        required = ", ".join(f"{one.required} to the {one.signed_with}" for one in answers)
        return self.context.judged(
            name,
            title,
            required,
            "; ".join(one.words for one in answers),
            good=not bad,
            examined=len(answers),
            fix="bookpayctl logs payments-webhook-receiver",
        )


DRILL: Final = Drill(
    slug="secret-rotation",
    question="the webhook secret is rotated while webhooks come: is a good one refused, and is the"
    " old secret believed once it is gone?",
    expected="none is refused, the old one is not believed; nothing is restarted",
    blast_radius="the webhook secret is another one afterwards; whoever signs with the old one is"
    " refused",
    points={"overlap": "the new secret beside the old one, then alone"},
    scenario=SecretRotationScenario,
    # A cluster's secrets are kept by whoever keeps them, and come to a pod a minute later.
    platforms=(LOCAL,),
    why_not=why_stripe_cannot_err,
)
