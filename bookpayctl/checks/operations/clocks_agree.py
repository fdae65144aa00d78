"""BP-O007: the clocks by which the ledgers are dated agree.

Each is read between two looks at our own, so that a slow answer is no difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, LiteralString

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, warned
from bookpayctl.clients.database import reading
from bookpayctl.clients.stripe_api import answer_to_nobody

SKEW_SECONDS_MAX: Final = 5.0
_NOW: Final[LiteralString] = "SELECT extract(epoch FROM clock_timestamp())::float8"
_DATE_SECONDS: Final = 1.0
"""What an HTTP date leaves out."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a clock showed, and ours before and after; seconds since 1970."""

    clock: str
    before: float
    shown: float
    after: float
    resolution: float = 0.0

    @property
    def skew_seconds(self) -> float:
        """By how much it is certainly off: positive when it is ahead of us."""
        if self.shown > self.after:
            return self.shown - self.after
        latest = self.shown + self.resolution
        return latest - self.before if latest < self.before else 0.0


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Read PostgreSQL's clock, and the one of Stripe's API."""
    environment = inquiry.environment

    def of_postgres() -> float:
        with reading(environment.dsn) as conn:
            row = conn.execute(_NOW).fetchone()
        if row is None:
            raise RuntimeError("a clock gave no row")
        return float(row[0])

    readings = [_read("PostgreSQL", of_postgres)]
    asked = time.time()
    heard = answer_to_nobody(environment.stripe_api_base)
    date = heard.headers.get("date")
    if date is not None:
        shown = parsedate_to_datetime(date).timestamp()
        readings.append(Reading("Stripe", asked, shown, time.time(), _DATE_SECONDS))
    return answer(readings)


def _read(clock: str, look: Callable[[], float]) -> Reading:
    before = time.time()
    shown = look()
    return Reading(clock, before, shown, time.time())


def answer(readings: Sequence[Reading]) -> CheckAnswer:
    """What the readings say."""
    worries = [
        f"{one.clock} is {abs(one.skew_seconds):.1f} s {_side(one.skew_seconds)}"
        for one in readings
        if abs(one.skew_seconds) > SKEW_SECONDS_MAX
    ]
    names = " and ".join(one.clock for one in readings)
    evidence = [
        f"{one.clock}: {one.shown:.1f}, asked {one.before:.1f}, heard {one.after:.1f}"
        for one in readings
    ]
    agree = "agrees" if len(readings) == 1 else "agree"
    return warned(worries, f"{names} {agree} with this machine", len(readings), evidence)


def _side(skew_seconds: float) -> str:
    return "ahead" if skew_seconds > 0 else "behind"


CHECK: Final = Check(
    id="BP-O007",
    title="the clocks agree",
    question="Do the clocks by which ledgers and webhooks are dated show the same time?",
    required=f"each within {SKEW_SECONDS_MAX:.0f} s of this machine's, however slow its answer",
    why="A receiver whose clock is 300 s off refuses every webhook, and ledgers are judged by times"
    " that never were.",
    fix="chronyc tracking, on both machines",
    ask=ask,
    category=Category.OPERATIONS,
)
