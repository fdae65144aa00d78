"""BP-O011: webhooks are signed with one secret that is not too old, or with two while it is rolled.

When Stripe made a secret it tells nobody. Known is when the receiver's copy was last written: the
secret is at least as old. Where the twin signs, it was made with that copy.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, cannot_tell, warned
from bookpayctl.report.verdict import Verdict
from bookpayctl.targets.signing_secrets import SigningSecrets

AGE_MAX: Final = timedelta(days=365)
"""A year: whoever has seen it and left since has had it for no longer."""

ROTATION_MAX: Final = timedelta(hours=24)
"""For so long at most Stripe signs with the old secret, too, once it is rolled.

Source: Stripe documentation, webhooks, on rolling an endpoint's secret.
"""

_FIX_ROTATION: Final = "take the old secret out of the receiver's file or Secret"


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Ask the target how many secrets the receiver accepts, and since when."""
    found = inquiry.target.signing_secrets()
    if found is None or found.count == 0:
        return cannot_tell("the receiver's signing secret is not where it should be")
    made_here = inquiry.environment.stripe_control_url is not None
    return answer(found, datetime.now(UTC), made_here=made_here)


def answer(found: SigningSecrets, now: datetime, *, made_here: bool) -> CheckAnswer:
    """What so many secrets of such an age mean.

    Args:
        made_here: whether the secret was made when it was written there, as for the twin.
    """
    evidence = (f"{found.place}: {found.count} accepted, last written {found.changed_at or '?'}",)
    if found.changed_at is None:
        return cannot_tell(f"nobody noted when {found.place} was written", evidence=evidence)
    age = now - found.changed_at
    if age < timedelta(0):
        return cannot_tell(f"{found.place} was written {-age} from now", evidence=evidence)
    since = f"unchanged for {_shown(age)}"
    if found.count > 1 and age > ROTATION_MAX:
        worry = f"{found.count} secrets are accepted, {since}"
        return warned([worry], "", found.count, evidence, _FIX_ROTATION)
    if age > AGE_MAX:
        return warned([f"the secret is {since}"], "", found.count, evidence)
    seen = f"{found.count} accepted, {since}"
    if made_here:
        return warned([], seen, found.count, evidence)
    reason = f"when Stripe made it is not known here; {seen}"
    return CheckAnswer(Verdict.SKIPPED, seen, found.count, evidence, reason=reason)


def _shown(age: timedelta) -> str:
    return f"{age.days} d" if age.days else f"{age.total_seconds() / 3600:.1f} h"


CHECK: Final = Check(
    id="BP-O011",
    title="the webhook secret is rolled",
    question="Is the webhooks' signing secret renewed, and the old one then taken away?",
    required=f"not older than {AGE_MAX.days} d; several for at most"
    f" {ROTATION_MAX.total_seconds() / 3600:.0f} h",
    why="Whoever has ever seen the secret can mark any order paid, until it is replaced and gone.",
    fix="roll it at Stripe, put the new one before the old one, and take that away a day later",
    ask=ask,
    category=Category.OPERATIONS,
)
