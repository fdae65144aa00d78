"""A circuit breaker, pure: stop sending when Stripe says our credentials are wrong.

401, 403 and 404 blame us, not the order. The first one opens the circuit; after a pause one
payment is let through as a probe, and its outcome closes the circuit or opens it for longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

PAUSE_SECONDS_FIRST: Final = 2.0
PAUSE_SECONDS_MAX: Final = 60.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state of the breaker.

    Attributes:
        open_until: monotonic seconds; None while closed.
        openings: times opened in a row.
        probing: one payment is under way to find out.
    """

    open_until: float | None = None
    openings: int = 0
    probing: bool = False
    reason: str = ""

    @property
    def is_open(self) -> bool:
        return self.open_until is not None

    def allowance(self, now: float, wanted: int) -> int:
        """How many payments may be sent now: all, one probe, or none."""
        if self.open_until is None:
            return wanted
        return 1 if now >= self.open_until and not self.probing else 0

    def probe_sent(self) -> Circuit:
        return replace(self, probing=True) if self.is_open else self

    def halted(self, now: float, reason: str) -> Circuit:
        """An answer said stop."""
        # Doubling, because whoever mends a key needs a while; at most a minute, because every order
        # waits for the next probe.
        pause = min(PAUSE_SECONDS_FIRST * 2**self.openings, PAUSE_SECONDS_MAX)
        if self.is_open and not self.probing:
            # Answers that were on their way when it opened do not lengthen the pause.
            return self
        return Circuit(now + pause, self.openings + 1, False, reason)

    def undecided(self, now: float) -> Circuit:
        """The probe ended without an answer about our credentials: probe again soon."""
        # Only the probe is meant: a time-out while the circuit is closed says nothing of our key.
        if not self.probing:
            return self
        return replace(self, probing=False, open_until=now + PAUSE_SECONDS_FIRST)

    def answered(self) -> Circuit:
        """Any other answer: the credentials work."""
        return Circuit()
