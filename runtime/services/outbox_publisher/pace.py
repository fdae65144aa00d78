"""How long to wait between two looks at the outbox, and how much to take and to mark at a time.

Waits are short while rows come and longer when idle. Batches are small while the publisher keeps
up, because a row waits for those that it came with, and large while it is behind: each look tells
the server what is in flight and passes it by, and each mark is a statement.
"""

from __future__ import annotations

from typing import Final

BUSY_SECONDS: Final = 0.005
IDLE_SECONDS_MAX: Final = 0.1
# Back off only after this long without a row, so that a steady trickle keeps the short wait.
PATIENCE_SECONDS: Final = 0.25
GROWTH: Final = 1.5

BATCH: Final = 1_000
"""Rows read at a time."""

BATCH_MAX: Final = 2_500
"""The same while the publisher is behind; half of what may be in flight, so that the broker has
the other half meanwhile."""

MARKED_AT_ONCE: Final = 1_000
"""At least, while the publisher is behind; beyond this a mark gains little."""


GATHER_SECONDS: Final = 0.025
"""How long acknowledged events wait for others to be marked with: a mark is a statement and a
commit, whatever it marks. Nobody waits for marks; a crash repeats what has none."""


def next_wait(wait_seconds: float, *, found_rows: bool, idle_seconds: float) -> float:
    """The wait before the next look.

    Args:
        wait_seconds: the wait before this look.
        idle_seconds: since the last row was seen.
    """
    if found_rows or idle_seconds < PATIENCE_SECONDS:
        return BUSY_SECONDS
    return min(wait_seconds * GROWTH, IDLE_SECONDS_MAX)


def next_limit(limit: int, *, found: int) -> int:
    """How many rows to read in the next look, after one that found so many of `limit`."""
    return BATCH_MAX if found >= limit else BATCH


def marks_now(acknowledged: int, *, waited_seconds: float, unacknowledged: int, limit: int) -> bool:
    """Whether to mark what the broker has acknowledged, or to wait for more of it.

    Args:
        waited_seconds: since the first of them was acknowledged.
        limit: of the next look, which says whether the publisher is behind.
    """
    is_behind = limit > BATCH and unacknowledged > 0
    if acknowledged >= MARKED_AT_ONCE:
        return True
    return acknowledged > 0 and not is_behind and waited_seconds >= GATHER_SECONDS
