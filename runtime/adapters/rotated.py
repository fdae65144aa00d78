"""Secrets that change while a service runs: read anew for each use, without a restart.

Whoever rotates a secret has both values valid for a while, so the moment at which this process sees
the new one does not matter. A rotation that went wrong does: then the last good value stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from runtime.config import ConfigError
from runtime.telemetry import Outage

Value = TypeVar("Value")


@dataclass(slots=True)
class Rotated(Generic[Value]):
    """One secret, or a set of them; safe to share between threads.

    Attributes:
        read: what holds now; raises ConfigError where that cannot be used.
        last_good: what it was at the start, and from then on the newest that could be used.
        outage: a rotation that went wrong lasts until somebody mends it: said once, not once a use.
    """

    read: Callable[[], Value]
    last_good: Value
    outage: Outage

    def current(self) -> Value:
        """The newest that can be used."""
        try:
            value = self.read()
        except ConfigError as error:
            self.outage.failed(error)
            return self.last_good
        self.outage.recovered()
        self.last_good = value
        return value
