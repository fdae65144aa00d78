"""The defects of `defects.sql`, and the shop that they are made in. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final

from bookpayctl.controls.control import LedgerDefect

_PLACE: Final = "bookpayctl.controls"
_DEFECT: Final = re.compile(
    r"^-- (?P<name>[a-z][a-z-]*): (?P<wrong>.+)\n"
    r"-- red: (?P<red>I\d\d(?:, I\d\d)*)\n"
    r"(?:-- also: (?P<also>I\d\d(?:, I\d\d)*); .+\n)?"
    r"(?P<statement>(?:(?!--).+\n)+)",
    re.MULTILINE,
)


class DefectError(ValueError):
    """The file is not as its first lines say; the message names the place."""


def clean_shop() -> str:
    """SQL that fills the tables of the judge's schema with a shop whose ledgers agree."""
    return _text("clean_shop.sql")


@cache
def defects() -> tuple[LedgerDefect, ...]:
    """Every defect, in the file's order.

    Raises:
        DefectError: a part of the file is none.
    """
    return tuple(parsed(_text("defects.sql")))


def parsed(text: str) -> Iterator[LedgerDefect]:
    """The defects that a text has after its first paragraph.

    Raises:
        DefectError: as above.
    """
    for part in text.split("\n\n")[1:]:
        found = _DEFECT.fullmatch(f"{part.strip()}\n")
        if found is None:
            raise DefectError(f"no defect: {part.strip().splitlines()[0]!r}")
        yield LedgerDefect(
            name=found["name"],
            wrong=found["wrong"],
            red=tuple(found["red"].split(", ")),
            also=tuple(found["also"].split(", ")) if found["also"] else (),
            statement=found["statement"],
        )


def _text(name: str) -> str:
    return (files(_PLACE) / name).read_text(encoding="utf-8")
