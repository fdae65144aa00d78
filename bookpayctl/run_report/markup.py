"""HTML and SVG put together so that text cannot become markup. Pure.

A child or an attribute is escaped unless it was made here. Characters that are not seen but act
(controls, those that turn the direction of writing) become U+FFFD: nothing that a system said moves
what stands beside it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

_VOID: Final = frozenset({"meta", "br", "hr"})
_KEPT: Final = frozenset("\n\t")


class Markup(str):
    """Text that is markup already; made by `element` and `text` and by nobody else."""

    __slots__ = ()


Child = str | Markup | Iterable["str | Markup"]


def text(plain: str) -> Markup:
    """Plain text as markup."""
    shown = "".join(c if c.isprintable() or c in _KEPT else "\ufffd" for c in plain)
    return Markup(html.escape(shown, quote=True))


def element(tag: str, *children: Child, **attributes: str | float | None) -> Markup:
    """One element with what is in it.

    Args:
        attributes: `class_` is `class`, `data_label` is `data-label`; None leaves one out.
    """
    opened = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{text(_number(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Markup(f"<{tag}{opened}>")
    return Markup(f"<{tag}{opened}>{joined(*children)}</{tag}>")


def joined(*children: Child) -> Markup:
    """Several things one after the other."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(text(child))
        else:
            parts += [joined(inner) for inner in child]
    return Markup("".join(parts))


def said(words: str) -> Markup:
    """What a system said, kept apart from its surroundings in whatever direction it is written."""
    return element("bdi", words)


def _number(value: str | float) -> str:
    """Coordinates with one decimal, which is a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
