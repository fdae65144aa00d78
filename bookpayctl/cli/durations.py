"""Go-style durations given as options."""

from __future__ import annotations

from bookpayctl.render import fail
from bookpayctl.report import ExitCode


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
