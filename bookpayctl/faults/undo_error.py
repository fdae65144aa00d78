"""What an undo that did not take effect ends with."""

from __future__ import annotations


class UndoError(RuntimeError):
    """Something could not be put back; the message says what is still changed."""
