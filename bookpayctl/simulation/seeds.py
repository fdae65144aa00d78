"""Dice of a simulated run: independent streams of one seed, and which faults it has.

A stream is named, so that a fault that is left out moves no other. Each class of faults is on in
half of the seeds, at a rate that is drawn log-uniformly (swarm testing): a class that is always on
hides what only shows without it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

NEVER: Final = 1 << 60
"""Looks until a fault whose rate is zero."""

# Chances per look, from and to; whether a look is a commit, a record, a step or a call says the
# name.
FAULTS: Final[Mapping[str, tuple[float, float]]] = {
    "nemesis/process.crash": (0.0003, 0.01),
    "nemesis/process.freeze": (0.0003, 0.005),
    "nemesis/db.commit_lost": (0.001, 0.05),
    "nemesis/db.commit_refused": (0.001, 0.05),
    "nemesis/db.outage": (0.005, 0.05),
    "nemesis/db.session_cut": (0.005, 0.05),
    "nemesis/log.ack_lost": (0.001, 0.1),
    "nemesis/log.refused": (0.001, 0.1),
    "nemesis/log.outage": (0.005, 0.05),
    "nemesis/log.rebalance": (0.02, 0.2),
    "nemesis/log.rewound": (0.005, 0.05),
    "nemesis/log.skipped": (0.005, 0.05),
    "net/client.answer_lost": (0.005, 0.2),
    "net/psp.request_lost": (0.005, 0.2),
    "net/psp.request_late": (0.005, 0.2),
    "net/psp.reply_lost": (0.005, 0.3),
    "net/hook.lost": (0.01, 1.0),
    "net/hook.doubled": (0.01, 0.5),
    "net/hook.late": (0.01, 0.5),
    "net/hook.stray": (0.01, 0.2),
    "psp/psp.saved_500": (0.005, 0.2),
    "psp/psp.busy": (0.005, 0.2),
    "psp/psp.halt": (0.0005, 0.005),
    "psp/psp.slow": (0.005, 0.2),
    "clock/clock.leap": (0.02, 0.1),
    "clock/clock.skew": (0.1, 1.0),
}
"""Classes of faults by stream and name. A leap, a skew and an outage are looked for once a second
or once a process; all others where the thing happens."""


def stream(seed: int, name: str) -> random.Random:
    """The dice of one name; the same for ever for the same seed and name."""
    digest = blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    return random.Random(int.from_bytes(digest, "big"))


class Chance:
    """A fault that happens at a rate: it counts down to its next time, so a look costs nothing.

    Attributes:
        rng: of this fault alone; for how long, how late and the like.
    """

    __slots__ = ("_left", "rate", "rng")

    def __init__(self, rate: float, rng: random.Random) -> None:
        self.rate, self.rng = rate, rng
        self._left = self._gap()

    def hits(self) -> bool:
        """Whether it happens at this look."""
        if self._left > 0:
            self._left -= 1
            return False
        self._left = self._gap()
        return True

    def stop(self) -> None:
        """From now on it never happens: the heal."""
        self.rate, self._left = 0.0, NEVER

    def _gap(self) -> int:
        if self.rate <= 0.0:
            return NEVER
        if self.rate >= 1.0:
            return 0
        return int(math.log(1.0 - self.rng.random()) / math.log(1.0 - self.rate))


@dataclass(frozen=True, slots=True)
class Swarm:
    """The faults of one seed, by name without stream; those that are off never hit."""

    chances: Mapping[str, Chance]

    def __getitem__(self, name: str) -> Chance:
        return self.chances[name]

    def heal(self) -> None:
        """End every fault."""
        for chance in self.chances.values():
            chance.stop()

    @property
    def rates(self) -> dict[str, float]:
        """What is on, and how often; for people."""
        return {name: round(c.rate, 5) for name, c in self.chances.items() if c.rate > 0.0}


def draw_swarm(seed: int) -> Swarm:
    """Which faults a seed has, each with dice of its own."""
    chances = {}
    for name, (least, most) in FAULTS.items():
        rng = stream(seed, name)
        on = rng.random() < 0.5
        rate = math.exp(rng.uniform(math.log(least), math.log(most))) if on else 0.0
        chances[name.partition("/")[2]] = Chance(rate, rng)
    return Swarm(chances)
