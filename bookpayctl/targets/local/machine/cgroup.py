"""What a container may use, from cgroup v2 or v1. None means: no limit, or no cgroup at all."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")

# v1 writes "no limit" as the largest multiple of a page; anything near it is none.
_UNLIMITED: Final = 2**60


def memory_available_bytes(root: Path = _ROOT) -> int | None:
    """Memory that may still be taken, not counting file cache, which gives way."""
    limit = _number(root / "memory.max")
    used = _number(root / "memory.current")
    cache = _statistic(root / "memory.stat", "file")
    if limit is None:
        limit = _number(root / "memory" / "memory.limit_in_bytes")
        used = _number(root / "memory" / "memory.usage_in_bytes")
        cache = _statistic(root / "memory" / "memory.stat", "total_cache")
    if limit is None or used is None:
        return None
    return limit - used + cache


def processors(root: Path = _ROOT) -> float | None:
    """Processors' worth of time."""
    quota, period = _pair(root / "cpu.max")
    if quota is None:
        quota = _number(root / "cpu" / "cpu.cfs_quota_us")
        period = _number(root / "cpu" / "cpu.cfs_period_us")
    if quota is None or not period or quota < 0:
        return None
    return quota / period


def tasks_available(root: Path = _ROOT) -> int | None:
    """Processes and threads that may still be made."""
    for folder in (root, root / "pids"):
        limit, used = _number(folder / "pids.max"), _number(folder / "pids.current")
        if limit is not None and used is not None:
            return limit - used
    return None


def _number(path: Path) -> int | None:
    """A file that holds one number; None for `max`, for a number that means it, and for no file."""
    text = _read(path)
    if text is None or not text.lstrip("-").isdigit():
        return None
    return None if int(text) >= _UNLIMITED else int(text)


def _pair(path: Path) -> tuple[int | None, int | None]:
    parts = (_read(path) or "").split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        return None, None
    return int(parts[0]), int(parts[1])


def _statistic(path: Path, name: str) -> int:
    for line in (_read(path) or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return 0


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
