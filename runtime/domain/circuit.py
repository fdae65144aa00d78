"""A circuit breaker, pure: stop sending while no payment could come through, whoever's it is.

401, 403 and 404 blame us, not the order; where nobody is reached, nobody has looked at the order.
The first such answer opens the circuit; after a pause one payment is let through as a probe, and
its outcome closes the circuit or opens it for longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

PAUSE_SECONDS_FIRST: Final = 2.0
PAUSE_SECONDS_MAX: Final = 60.0

AWAY_SECONDS_FIRST: Final = 0.25
AWAY_SECONDS_MAX: Final = 5.0
"""Who is away comes back without anybody's help, and the first to notice sends all that waits."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state of the breaker.

    Attributes:
        open_until: monotonic seconds; None while closed.
        openings: times opened in a row.
        probing: one payment is under way to find out.
        is_away: nobody was reached; else our credentials were refused.
    """

    open_until: float | None = None
    openings: int = 0
    probing: bool = False
    reason: str = ""
    is_away: bool = False

    @property
    def is_open(self) -> bool:
        return self.open_until is not None

    @property
    def is_refused(self) -> bool:
        """Open because of our credentials: somebody has to mend them."""
        return self.is_open and not self.is_away

    def allowance(self, now: float, wanted: int) -> int:
        """How many payments may be sent now: all, one probe, or none."""
        if self.open_until is None:
            return wanted
        return 1 if now >= self.open_until and not self.probing else 0

    def probe_sent(self) -> Circuit:
        return replace(self, probing=True) if self.is_open else self

    def halted(self, now: float, reason: str) -> Circuit:
        """An answer said stop."""
        openings = 0 if self.is_away else self.openings
        # Doubling, because whoever mends a key needs a while; at most a minute, because every order
        # waits for the next probe.
        pause = min(PAUSE_SECONDS_FIRST * 2**openings, PAUSE_SECONDS_MAX)
        if self.is_refused and not self.probing:
            # Answers that were on their way when it opened do not lengthen the pause.
            return self
        return Circuit(now + pause, openings + 1, False, reason)

    def unreached(self, now: float, reason: str) -> Circuit:
        """Nobody was there to answer."""
        if self.is_refused:
            return self.undecided(now)
        if self.is_open and not self.probing:
            return self
        # The exponent is bounded: a night of it is more openings than a float has room for.
        pause = min(AWAY_SECONDS_FIRST * 2 ** min(self.openings, 32), AWAY_SECONDS_MAX)
        return Circuit(now + pause, self.openings + 1, False, reason, is_away=True)

    def undecided(self, now: float) -> Circuit:
        """An answer that says nothing of our credentials; after one to a probe, probe again soon.

        Somebody gave it, or took the request: nobody is away any more.
        """
        if self.is_away:
            return Circuit()
        # Only the probe is meant: a time-out while the circuit is closed says nothing of our key.
        if not self.probing:
            return self
        return replace(self, probing=False, open_until=now + PAUSE_SECONDS_FIRST)

    def answered(self) -> Circuit:
        """Any other answer: the credentials work."""
        return Circuit()
