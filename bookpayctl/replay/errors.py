"""Why a replay could not be carried out."""

from __future__ import annotations


class ReplayError(RuntimeError):
    """The replay could not be carried out, so it shows nothing; the message says why."""


class PositionError(ValueError):
    """A place to begin or to end that cannot be meant; the message names it and what would do."""
