"""Somebody inside an environment who says, line by line, what they see; and when it was heard.

What a witness says is heard while it is said, through a connection that was open before: so it
goes on when the API server has forgotten whose container it is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bookpayctl.runs.waiting import Waited, wait_until

# More than any drill needs; a witness that raves is not to fill the memory of the command.
LINES_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class HeardLine:
    """One line; `at` is this machine's monotonic clock when it came."""

    at: float
    text: str

    def document(self) -> dict[str, Any]:
        """The JSON object of the line; empty when it is none."""
        try:
            said = json.loads(self.text)
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}


class Witness:
    """What was said so far. Safe to share between threads: one hears, others read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._lines: list[HeardLine] = []
        self._ended: str | None = None
        self._dismissed = threading.Event()

    def heard(self) -> list[HeardLine]:
        with self._lock:
            return list(self._lines)

    @property
    def end(self) -> str | None:
        """Why nothing more will come; None while more may."""
        with self._lock:
            return self._ended

    def wait_for(
        self, good: Callable[[list[HeardLine]], bool], *, deadline_seconds: float
    ) -> Waited[list[HeardLine]]:
        """Wait until what was heard will do, or no more will come."""
        waited = wait_until(
            lambda: (self.end, self.heard()),
            lambda now: good(now[1]) or now[0] is not None,
            deadline_seconds=deadline_seconds,
            every_seconds=0.05,
        )
        lines = waited.value[1]
        return Waited(lines, good(lines), waited.seconds, waited.attempts)

    def dismiss(self) -> None:
        """Nobody listens any more; harmless when it has ended."""
        self._dismissed.set()

    @property
    def is_dismissed(self) -> bool:
        return self._dismissed.is_set()

    def hear(self, text: str) -> None:
        with self._lock:
            if len(self._lines) < LINES_MAX:
                self._lines.append(HeardLine(time.monotonic(), text))

    def close(self, reason: str) -> None:
        """No more will come; the first reason stays."""
        with self._lock:
            if self._ended is None:
                self._ended = reason
