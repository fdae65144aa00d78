"""How a process lives: one stop signal, readiness that tells the truth, bounded waits.

TERM and INT set `Lifecycle.stop`; every loop looks at it and every wait is a wait on it, so a
process ends within one step of its work. Readiness is a set of named checks: a service is ready
when all of them hold, and `/readyz` shows which do not, and why. Ready means that the work was done
within its bound, not that the process runs.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from runtime.domain.retry import Backoff


@dataclass(frozen=True, slots=True)
class _Said:
    """The last word on one condition, and until when it counts (monotonic); None: for ever."""

    holds: bool
    reason: str = ""
    until: float | None = None


@dataclass(slots=True)
class Readiness:
    """Named conditions, each set by the part that knows.

    A word that something works can be given a time: a part that falls silent is not ready, whatever
    it said last.
    """

    _checks: dict[str, _Said] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, *names: str) -> None:
        """Declare conditions that do not hold yet."""
        with self._lock:
            for name in names:
                # A part that was quicker than this has said so already.
                self._checks.setdefault(name, _Said(False, "nothing was heard of it yet"))

    def set(
        self, name: str, holds: bool, reason: str = "", *, within_seconds: float | None = None
    ) -> None:
        """Say whether a condition holds.

        Args:
            reason: why it does not, in words for whoever is paged.
            within_seconds: how long this counts without being said again; None for ever.
        """
        until = None if within_seconds is None else time.monotonic() + within_seconds
        with self._lock:
            self._checks[name] = _Said(holds, "" if holds else reason, until)

    def snapshot(self) -> dict[str, bool]:
        """Whether each condition holds now."""
        with self._lock:
            now = time.monotonic()
            return {name: said.holds and _counts(said, now) for name, said in self._checks.items()}

    def reasons(self) -> dict[str, str]:
        """Why conditions do not hold, as far as anybody said."""
        with self._lock:
            now = time.monotonic()
            found = {name: _reason(said, now) for name, said in self._checks.items()}
        return {name: reason for name, reason in found.items() if reason}


def _counts(said: _Said, now: float) -> bool:
    return said.until is None or now < said.until


def _reason(said: _Said, now: float) -> str:
    if said.holds and not _counts(said, now):
        return "nothing was heard of it for too long"
    return said.reason


@dataclass(slots=True)
class Lifecycle:
    """The stop signal and readiness of one process."""

    stop: threading.Event = field(default_factory=threading.Event)
    readiness: Readiness = field(default_factory=Readiness)

    def stop_on_signals(self) -> None:
        """Turn TERM and INT into `stop`; a second one changes nothing."""

        # An event, not an exception: nothing is interrupted between its effect and its record.
        def request_stop(_number: int, _frame: FrameType | None) -> None:
            self.stop.set()

        signal.signal(signal.SIGTERM, request_stop)
        signal.signal(signal.SIGINT, request_stop)


def repeat(
    step: Callable[[], float],
    *,
    stop: threading.Event,
    backoff: Backoff,
    rng: random.Random,
    recoverable: tuple[type[Exception], ...],
    on_failure: Callable[[Exception], None],
    on_success: Callable[[], None] | None = None,
) -> None:
    """Run `step` until stopped; back off while it fails with a recoverable error.

    Args:
        step: one short cycle of work; returns the seconds to wait before the next, 0 for none.
        on_failure: told of every recoverable error; it decides what is logged.
        on_success: told of every cycle that ended well; None when that proves nothing.
    """
    failures = 0
    while not stop.is_set():
        try:
            wait_seconds = step()
        except recoverable as error:
            # Of one failure after the other; any cycle that ends well begins anew.
            failures += 1
            on_failure(error)
            wait_seconds = backoff.delay_seconds(failures, rng)
        else:
            failures = 0
            if on_success is not None:
                on_success()
        if wait_seconds > 0:
            # On the stop, so that no back-off holds a shutdown up.
            stop.wait(wait_seconds)
