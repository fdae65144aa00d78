"""Every drill has a command of its own, and no command names a drill that is not there."""

from __future__ import annotations

from bookpayctl.cli.commands.drill import DURATIONS, NAMED
from bookpayctl.drills import DRILLS


def test_every_drill_has_a_command_of_its_own() -> None:
    assert sorted(NAMED) == sorted(drill.slug for drill in DRILLS)


def test_durations_are_given_for_drills_that_exist() -> None:
    assert set(DURATIONS) <= set(NAMED)
