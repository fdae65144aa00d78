"""A stretch of the load for which something is wrong; how long it lasts is the experiment."""

from __future__ import annotations

import threading
import time
from typing import Final

from bookpayctl.faults.process import TimeAway

# Shorter than the load, so that orders come before, during and after it; shorter than eight
# refusals with their back-off take, after which a payment waits for a person.
SPELL_SECONDS: Final = 6.0


class Spell:
    """From `begin` until what is wrong is ended, which is its scenario's to do."""

    def __init__(self) -> None:
        self._began_at = 0.0

    def begin(self) -> None:
        self._began_at = time.time()

    def let_pass(self) -> None:
        """Wait for what is left of it; no condition is waited for."""
        threading.Event().wait(self._began_at + SPELL_SECONDS - time.time())

    def window(self) -> TimeAway:
        """From its begin until now, wall clock."""
        return TimeAway(self._began_at, time.time())
