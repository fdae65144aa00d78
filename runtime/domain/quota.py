"""A token bucket, pure: how often somebody may come, with room for a burst."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is left at a moment; full at the beginning."""

    left: float
    at_seconds: float


def take(
    bucket: Bucket | None, *, rate_per_second: float, burst: int, now_seconds: float
) -> tuple[Bucket, float]:
    """Take one token.

    Args:
        bucket: as the last taking left it; None before the first.
        now_seconds: of a clock that never goes back.

    Returns:
        The bucket as it is now, and how many seconds to wait; 0 when the token was taken.
    """
    last = bucket or Bucket(float(burst), now_seconds)
    gained = (now_seconds - last.at_seconds) * rate_per_second
    # Capped, or a tenant that slept for a night could come a million times in the morning; and a
    # clock that went back takes nothing away.
    left = min(float(burst), last.left + max(0.0, gained))
    if left >= 1.0:
        return Bucket(left - 1.0, now_seconds), 0.0
    return Bucket(left, now_seconds), (1.0 - left) / rate_per_second
