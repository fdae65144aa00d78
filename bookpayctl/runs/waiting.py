"""Waiting with a deadline: ask again until the answer will do, and say what it was at the end.

Whoever waits for one answer waits here, so no wait is endless and none sleeps instead of asking.
What watches many things at once (processes becoming ready, ledgers looked at twice, logs followed)
has a loop of its own with one deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Waited(Generic[T]):
    """The last answer, whether it was the wanted one, and how long it took to come."""

    value: T
    reached: bool
    seconds: float
    attempts: int


def wait_until(
    ask: Callable[[], T],
    good: Callable[[T], bool],
    *,
    deadline_seconds: float,
    every_seconds: float = 0.1,
) -> Waited[T]:
    """Ask at once, then every `every_seconds`, until `good` or the deadline.

    The last answer is returned either way: what it was at the deadline is the evidence.
    """
    began = time.monotonic()
    attempts = 0
    while True:
        value = ask()
        attempts += 1
        seconds = time.monotonic() - began
        if good(value):
            return Waited(value, True, seconds, attempts)
        if seconds >= deadline_seconds:
            return Waited(value, False, seconds, attempts)
        time.sleep(min(every_seconds, max(0.0, deadline_seconds - seconds)))
