"""Ledgers that agree, of a shop and of a replayed log, and what is made wrong in them. Pure."""

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
    r"-- red: (?P<red>[IRS]\d\d(?:, [IRS]\d\d)*)\n"
    r"(?:-- also: (?P<also>[IRS]\d\d(?:, [IRS]\d\d)*); .+\n)?"
    r"(?P<statement>(?:(?!--).+\n)+)",
    re.MULTILINE,
)


class DefectError(ValueError):
    """The file is not as its first lines say; the message names the place."""


def clean_shop() -> str:
    """SQL that fills the tables of the judge's schema with a shop whose ledgers agree."""
    return _text("clean_shop.sql")


def clean_log() -> str:
    """SQL that fills the tables of a replay with a log that tells what the tables have."""
    return _text("clean_log.sql")


@cache
def defects() -> tuple[LedgerDefect, ...]:
    """What is made wrong in the shop, for invariants, in the file's order.

    Raises:
        DefectError: a part of the file is none.
    """
    return tuple(parsed(_text("defects.sql")))


@cache
def log_defects() -> tuple[LedgerDefect, ...]:
    """What is made wrong in the log, for the questions of a replay, in the file's order.

    Raises:
        DefectError: a part of the file is none.
    """
    return tuple(parsed(_text("log_defects.sql")))


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
