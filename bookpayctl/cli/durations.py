"""Durations as options give them, and ages as tables show them."""

from __future__ import annotations

from bookpayctl.cli.output import fail
from bookpayctl.report.exit_code import ExitCode


def duration_of(text: str, option: str) -> float:
    """Seconds in `90s`, `5m`, `1h30m`; exit 2 when it is none, or not more than zero."""
    from bookpayctl.targets.settings import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        fail(f"{option} {text!r} must be a duration such as 30s or 5m", ExitCode.USAGE)
    return seconds


def age(seconds: float) -> str:
    """Two units at most: `42s`, `3m10s`, `2h05m`, `4d03h`."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if days:
        return f"{days}d{hours % 24:02}h"
    if hours:
        return f"{hours}h{minutes % 60:02}m"
    return f"{minutes}m{whole % 60:02}s" if minutes else f"{whole}s"
