"""Where a drill can be made to wait for its operator."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """What a drill is about to do when it waits."""

    INJECT = "inject"
    UNDO = "undo"
