"""One direction of a connection through a proxy: what was read, and when it may go on. Pure.

What comes in is cut into pieces, each with the time at which it is due; their order stays. How much
is read beyond what has gone on is bounded, so that a slow link slows its sender, too.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from bookpayctl.targets.toxic import Direction, Toxic, Toxicity

CHUNK_BYTES: Final = 65_536

# Of a link that is only late: as much may be under way at once.
UNDER_WAY_BYTES_MAX: Final = 1_048_576

# A slow link passes something ten times a second, if only a byte.
_SLOW_STEPS_PER_SECOND: Final = 10
_SLICED_BYTES_MAX: Final = 4_096

_LOSING: Final = frozenset({Toxicity.BLACK_HOLE, Toxicity.HALF_OPEN})


def befalls(toxic: Toxic | None, direction: Direction) -> bool:
    return toxic is not None and toxic.direction in (Direction.BOTH, direction)


def is_struck(toxic: Toxic, connection: int) -> bool:
    """Whether a connection is of the share that a toxic befalls; the seed decides."""
    return random.Random(f"{toxic.seed}/{connection}").random() < toxic.share


@dataclass(slots=True)
class Lane:
    """Bytes on their way in one direction; times are monotonic seconds, given by the caller.

    Attributes:
        lost_bytes: taken and never passed on.
        passed_bytes: handed out by `due`.
        is_over: as many bytes have passed as a reset lets pass.
    """

    direction: Direction
    rng: random.Random
    lost_bytes: int = 0
    passed_bytes: int = 0
    is_over: bool = False
    _pieces: deque[tuple[float, bytes]] = field(default_factory=deque)
    _last_due: float = 0.0
    _toxic: Toxic | None = None
    _left_bytes: int = 0

    def turn(self, toxic: Toxic | None, now: float) -> None:
        """Another rule holds from now on, also for what is under way."""
        self._toxic = toxic if befalls(toxic, self.direction) else None
        self._left_bytes = 0 if toxic is None else toxic.after_bytes
        self._last_due = now
        self._pieces = deque((now, data) for _, data in self._pieces)
        if self._loses():
            self.lost_bytes += self.under_way_bytes
            self._pieces.clear()

    @property
    def under_way_bytes(self) -> int:
        return sum(len(data) for _, data in self._pieces)

    def room_bytes(self) -> int:
        """How many bytes may be read now; 0 for none."""
        match self._toxic:
            case Toxic(kind=Toxicity.HOLD):
                return 0
            case Toxic(kind=Toxicity.LATENCY):
                return max(0, min(CHUNK_BYTES, UNDER_WAY_BYTES_MAX - self.under_way_bytes))
            case Toxic(kind=Toxicity.BANDWIDTH, bytes_per_second=rate):
                return 0 if self._pieces else max(1, rate // _SLOW_STEPS_PER_SECOND)
            case Toxic(kind=Toxicity.SLICER):
                return 0 if self._pieces else _SLICED_BYTES_MAX
            case _:
                return CHUNK_BYTES

    def take(self, data: bytes, now: float) -> None:
        """What was read just now."""
        match self._toxic:
            case Toxic(kind=Toxicity.LATENCY, delay_ms=delay, jitter_ms=jitter):
                late = max(0.0, delay + self.rng.uniform(-jitter, jitter)) / 1000
                self._append(data, now + late)
            case Toxic(kind=Toxicity.BANDWIDTH, bytes_per_second=rate):
                self._append(data, max(now, self._last_due) + len(data) / rate)
            case Toxic(kind=Toxicity.SLICER, slice_bytes=size, delay_ms=pause):
                for at in range(0, len(data), size):
                    due = max(now, self._last_due) + (pause / 1000 if at else 0.0)
                    self._append(data[at : at + size], due)
            case Toxic(kind=Toxicity.RESET):
                self._append(data[: self._left_bytes], now)
                self.is_over = len(data) >= self._left_bytes
                self._left_bytes -= min(len(data), self._left_bytes)
            case toxic if toxic is not None and self._loses():
                self.lost_bytes += len(data)
            case _:
                self._append(data, now)

    def next_due(self) -> float | None:
        """When something is due; None while nothing is, or it is held."""
        return None if self._is_held() or not self._pieces else self._pieces[0][0]

    def due(self, now: float) -> list[bytes]:
        """What may go on by now, in its order; it is under way no more."""
        pieces = []
        while (at := self.next_due()) is not None and at <= now:
            pieces.append(self._pieces.popleft()[1])
        self.passed_bytes += sum(map(len, pieces))
        return pieces

    def _append(self, data: bytes, due: float) -> None:
        if data:
            self._last_due = max(due, self._last_due)
            self._pieces.append((self._last_due, data))

    def _loses(self) -> bool:
        return self._toxic is not None and self._toxic.kind in _LOSING

    def _is_held(self) -> bool:
        return self._toxic is not None and self._toxic.kind is Toxicity.HOLD
