"""The rooms of both programs from top to bottom, as `.importlinter` holds them.

What a room is for is the first sentence of its docstring.
"""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path
from typing import Final

from docs.generate.markdown import code, one_line, table

ROOT: Final = Path(__file__).resolve().parents[2]


def bookpayctl() -> str:
    """The rooms of the tool."""
    return _rooms("bookpayctl-layers", "bookpayctl")


def runtime() -> str:
    """The rooms of what moves money."""
    return _rooms("runtime-layers", "runtime")


def twin() -> str:
    """The rooms of the Stripe twin."""
    return _rooms("twin-layers", "bookpayctl/stripe_twin")


def layers(contract: str) -> list[list[str]]:
    """The layers of a contract from top to bottom, without those that are only planned."""
    linter = configparser.ConfigParser()
    linter.read(ROOT / ".importlinter")
    lines = linter[f"importlinter:contract:{contract}"]["layers"].split("\n")
    rooms = [re.findall(r"(?<![(\w])\w+", line) for line in lines]
    return [layer for layer in rooms if layer]


def _rooms(contract: str, package: str) -> str:
    return table(
        ("floor", "room", "what it is"),
        [
            (str(floor) if number == 0 else "", code(room), _first_sentence(ROOT / package / room))
            for floor, layer in zip(_floors(contract), layers(contract), strict=True)
            for number, room in enumerate(layer)
        ],
    )


def _floors(contract: str) -> range:
    """Numbers with the ground floor as 0."""
    return range(len(layers(contract)) - 1, -1, -1)


def _first_sentence(room: Path) -> str:
    path = room / "__init__.py" if room.is_dir() else room.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return one_line(re.split(r"(?<=[.!?])\s|\n\n", docstring)[0])
