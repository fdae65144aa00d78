"""How long to wait between two looks at the outbox: short while rows come, longer when idle."""

from __future__ import annotations

from typing import Final

BUSY_SECONDS: Final = 0.005
IDLE_SECONDS_MAX: Final = 0.1
# Back off only after this long without a row, so that a steady trickle keeps the short wait.
PATIENCE_SECONDS: Final = 0.25
GROWTH: Final = 1.5


def next_wait(wait_seconds: float, *, found_rows: bool, idle_seconds: float) -> float:
    """The wait before the next look.

    Args:
        wait_seconds: the wait before this look.
        idle_seconds: since the last row was seen.
    """
    if found_rows or idle_seconds < PATIENCE_SECONDS:
        return BUSY_SECONDS
    return min(wait_seconds * GROWTH, IDLE_SECONDS_MAX)
