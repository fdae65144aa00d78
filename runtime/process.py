"""What `__main__` hands to a service: one running process, with its clock, dice and stop."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from runtime.config import Common, Source
from runtime.faults.points import Failpoints
from runtime.lifecycle import Lifecycle


@dataclass(frozen=True, slots=True)
class Process:
    """One process of one service.

    Attributes:
        source: the environment; a service reads its own settings from it once, at start.
        incarnation: this start of the process; leases carry it beside the stable name.
        now: wall time, aware UTC. Signatures are checked against it, ages are not.
    """

    service: str
    common: Common
    source: Source
    lifecycle: Lifecycle
    failpoints: Failpoints
    # Drawn at the start, never configured: a restart under the same name is another life.
    incarnation: UUID
    # For jitter alone: no key and no token is drawn from it, and threads may share it.
    rng: random.Random
    now: Callable[[], datetime]
