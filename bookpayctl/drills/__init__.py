"""The drills, in the order they are listed."""

from __future__ import annotations

from typing import Final

from bookpayctl.drill import Drill
from bookpayctl.drills import crash_mid_charge, kill_storm, outage

DRILLS: Final[tuple[Drill, ...]] = (
    crash_mid_charge.DRILL,
    kill_storm.DRILL,
    outage.DRILL,
)


def find_drill(slug: str) -> Drill | None:
    """The drill of that name."""
    return next((drill for drill in DRILLS if drill.slug == slug), None)
