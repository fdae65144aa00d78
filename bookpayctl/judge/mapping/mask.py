"""Values shown so that a person sees their shape and nobody their content. Pure."""

from __future__ import annotations

from typing import Final

SHOWN_MAX: Final = 24


def masked(value: object) -> str:
    """A value's shape: `ord_4711` is `xxx_9999`; NULL is said, and a long one is cut."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    shape = "".join(_of(char) for char in str(value)[: SHOWN_MAX + 1])
    return shape if len(shape) <= SHOWN_MAX else f"{shape[:SHOWN_MAX]}…"


def _of(char: str) -> str:
    if char.isalpha():
        return "x"
    if char.isdigit():
        return "9"
    # Of a letter's marks and whatever else is no plain sign nothing is told either.
    return char if char.isascii() and char.isprintable() else "?"
