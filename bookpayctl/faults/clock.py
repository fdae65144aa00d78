"""A fault of time: so many seconds pass at once, for the environment and for Stripe alike.

The wall's clock is nobody's to move, and signatures go by it. Neither clock can be put back: what
is promised is that the two agree afterwards.
"""

from __future__ import annotations

from bookpayctl.clients import environment_clock
from bookpayctl.clients.database import DatabaseError
from bookpayctl.clients.stripe_twin import TwinError
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.targets.target import Target


class ClockAdvanced(Fault):
    """Both clocks go forward by so many seconds."""

    def __init__(self, target: Target, run: Run, *, prefix: str, seconds: float) -> None:
        super().__init__(target, run, prefix=prefix)
        self.seconds = seconds
        self._before: tuple[float, float] | None = None

    def plan_undo(self) -> None:
        self._plan(undo.ALIGN_CLOCKS)

    def inject(self) -> None:
        try:
            self._before = self._ahead()
            environment_clock.advance(self.target.environment.dsn, self._url, self.seconds)
        except (TwinError, DatabaseError) as error:
            raise FaultError(f"the clocks did not move: {error}") from error

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """Ask the database and the twin what time it is for them."""
        del deadline_seconds  # it has passed, or it has not
        title, required = "time passed", f"both clocks {self.seconds:.0f} s on"
        try:
            now = self._ahead()
        except (TwinError, DatabaseError) as error:
            return [self._unproven("clocks-moved", title, required, str(error))]
        before = self._before
        moved = None if before is None else tuple(b - a for a, b in zip(before, now, strict=True))
        if moved is None or min(moved) < self.seconds:
            reason = f"they moved by {moved} s" if moved else "they were never moved"
            return [self._unproven("clocks-moved", title, required, reason)]
        observed = f"the database's by {moved[0]:.0f} s, Stripe's by {moved[1]:.0f} s"
        return [self._proven("clocks-moved", title, required, observed, 2)]

    def _ahead(self) -> tuple[float, float]:
        """How far the database's and the twin's are ahead of the wall's."""
        dsn = self.target.environment.dsn
        return (
            environment_clock.ahead_seconds(dsn),
            environment_clock.twin_ahead_seconds(self._url),
        )

    @property
    def _url(self) -> str:
        url = self.target.environment.stripe_control_url
        if url is None:
            raise FaultError("only the Stripe twin's clock can be moved; this is not it")
        return url
