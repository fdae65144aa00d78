"""The environment's clock, which drills move together with the twin's: only ever forward.

The twin's offset leads. Whoever finds the two apart, after a tool that was killed between them,
gives the environment the twin's.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.clients.database import reading, writing
from bookpayctl.clients.stripe_twin import TwinControl
from runtime.domain.names import SCHEMA

_ALIGN: Final = (
    f"UPDATE {SCHEMA}.environment_clock "  # noqa: S608 - a constant
    'SET "offset" = greatest("offset", make_interval(secs => %s))'
)
_AHEAD: Final = f'SELECT extract(epoch FROM "offset")::float8 FROM {SCHEMA}.environment_clock'  # noqa: S608


def align(dsn: str, offset_seconds: float) -> None:
    """Give the environment the twin's offset; repeated, it repairs what was interrupted.

    Raises:
        DatabaseError: it was not moved.
    """
    with writing(dsn) as conn:
        conn.execute(_ALIGN, (offset_seconds,))


def ahead_seconds(dsn: str) -> float:
    """How far the environment is ahead of the wall's clock.

    Raises:
        DatabaseError: it did not say.
    """
    with reading(dsn) as conn:
        row = conn.execute(_AHEAD).fetchone()
    return float(row[0]) if row else 0.0


def twin_ahead_seconds(control_url: str) -> float:
    """How far the twin is ahead of the wall's clock.

    Raises:
        TwinError: it did not say.
    """
    return float(TwinControl(control_url).ask("GET", "/clock")["offset_seconds"])


def advance(dsn: str, control_url: str, seconds: float) -> None:
    """Let time pass for both.

    Raises:
        TwinError, DatabaseError: it did not, or for the twin alone.
    """
    answer = TwinControl(control_url).ask("POST", "/clock/advance", {"seconds": seconds})
    align(dsn, float(answer["offset_seconds"]))
