"""How a process lives: one stop signal, readiness that tells the truth, bounded waits.

TERM and INT set `Lifecycle.stop`; every loop looks at it and every wait is a wait on it, so a
process ends within one step of its work. Readiness is a set of named checks: a service is ready
when all of them hold, and `/readyz` shows which do not.
"""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from runtime.domain.retry import Backoff


@dataclass(slots=True)
class Readiness:
    """Named conditions, each set by the part that knows."""

    _checks: dict[str, bool] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, *names: str) -> None:
        """Declare conditions that do not hold yet."""
        with self._lock:
            for name in names:
                # A part that was quicker than this has said so already.
                self._checks.setdefault(name, False)

    def set(self, name: str, holds: bool) -> None:
        with self._lock:
            self._checks[name] = holds

    def snapshot(self) -> dict[str, bool]:
        with self._lock:
            return dict(self._checks)


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
