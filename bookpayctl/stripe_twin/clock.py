"""The twin's own time: the machine's, plus an offset that only ever grows.

Ages of idempotency keys, webhook retries and bank debits follow this clock, so that a drill can
make a day pass. Webhook signatures do not: their timestamp is checked by a receiver that lives in
wall time.
"""

from collections.abc import Callable


class VirtualClock:
    """Wall time plus an offset in seconds; it never runs backwards."""

    def __init__(self, wall: Callable[[], float], offset_seconds: float = 0.0) -> None:
        self._wall = wall
        self._latest = 0.0
        self.offset_seconds = offset_seconds

    def now(self) -> float:
        """Seconds since the epoch, never less than an earlier answer.

        List pages are ordered by creation time, so a step back of the machine's clock must not
        put a new object behind an old one.
        """
        self._latest = max(self._latest, self._wall() + self.offset_seconds)
        return self._latest

    def wall(self) -> float:
        """The machine's own time, for signatures and for measuring."""
        return self._wall()

    def advance(self, seconds: float) -> float:
        """Let time pass and return the new offset; raises ValueError for a step back."""
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self.offset_seconds += seconds
        return self.offset_seconds
