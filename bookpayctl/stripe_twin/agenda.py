"""Things that are due at virtual times, handed out when they are."""

import asyncio
import heapq
import math
from typing import Generic, TypeVar

from bookpayctl.stripe_twin.clock import VirtualClock

T = TypeVar("T")

# How long to sleep before the clock is looked at again, for what is due in a century.
_SLEEP_SECONDS_MAX = 3_600.0


class Agenda(Generic[T]):
    """A queue ordered by due time that notices when the clock is advanced."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, T]] = []
        self._ordinal = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due_at: float, item: T) -> None:
        """Plan an item; items of one time come out in the order they went in.

        Raises:
            ValueError: the time is none. One such item would put all others out of order.
        """
        if not math.isfinite(due_at):
            raise ValueError(f"{due_at} is no time at which anything can be due")
        # Breaks ties: without it the heap would compare the items, which have no order.
        self._ordinal += 1
        heapq.heappush(self._heap, (due_at, self._ordinal, item))
        self._changed.set()

    def wake(self) -> None:
        """Look again: the clock was advanced."""
        self._changed.set()

    async def next(self) -> T:
        """Wait until the first item is due and take it."""
        while True:
            # Before the look and not after it: what is added in between sets it again, and is not
            # slept over.
            self._changed.clear()
            wait_seconds = self._heap[0][0] - self._clock.now() if self._heap else None
            if wait_seconds is not None and wait_seconds <= 0:
                return heapq.heappop(self._heap)[2]
            try:
                await asyncio.wait_for(
                    self._changed.wait(),
                    None if wait_seconds is None else min(wait_seconds, _SLEEP_SECONDS_MAX),
                )
            # Due by now, or the machine's clock ran slower than the timer: looked at again either
            # way.
            except TimeoutError:
                continue
