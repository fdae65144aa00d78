"""When to try again: exponential back-off with jitter, pure.

The first waits are short so that a blip costs milliseconds, the later ones long so that an outage
is not met by a storm. Jitter spreads what failed together.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

TRANSIENT_FAILURES_MAX: Final = 8
"""Refusals in a row before a payment is parked; with the back-off below about nine minutes."""

UNKNOWN_TRIES_MAX: Final = 3
"""Posts of one key that may go unanswered before Stripe is asked what it holds."""

KEY_AGE_SECONDS_MAX: Final = 23 * 3600
"""Stripe may prune an idempotency key after 24 h; an hour is left for clocks and queues."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """`first_seconds` times `factor` per failure, at most `seconds_max`."""

    first_seconds: float
    factor: float
    seconds_max: float

    def delay_seconds(self, failures: int, rng: random.Random) -> float:
        """The wait after the n-th failure in a row (1 is the first), between half and all of it."""
        # Capped before the power is taken: a float overflows long before anybody is paged.
        exponent = min(max(failures, 1) - 1, 32)
        whole = min(self.first_seconds * self.factor**exponent, self.seconds_max)
        # Half is the floor: a wait near zero would be no back-off.
        return whole * rng.uniform(0.5, 1.0)


# Refusals: Stripe asked for patience. Unanswered posts: a customer waits, so seconds.
PAYMENT_BACKOFF: Final = Backoff(first_seconds=0.5, factor=3.0, seconds_max=900.0)
UNKNOWN_BACKOFF: Final = Backoff(first_seconds=0.25, factor=2.0, seconds_max=30.0)
CONNECTION_BACKOFF: Final = Backoff(first_seconds=0.05, factor=2.0, seconds_max=1.0)
"""For a loop whose database or broker is gone: quick to notice its return, quiet while it lasts."""
