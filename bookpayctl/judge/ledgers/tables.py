"""The schema as values, read from `schema.sql`, which alone says what the tables are. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

UNREADABLE: Final = "unreadable"
"""The column in which a row says what of it could not be held."""

TIMESTAMP: Final = "TIMESTAMP"
BIGINT: Final = "BIGINT"
INTEGER: Final = "INTEGER"
BOOLEAN: Final = "BOOLEAN"
VARCHAR: Final = "VARCHAR"

_TABLE: Final = re.compile(
    r"((?:^-- [^\n]*\n)+)CREATE TABLE (\w+) \(\n(.*?)^\);$", re.MULTILINE | re.DOTALL
)
_COLUMN: Final = re.compile(r"^ {4}(\w+) +([A-Z]+),? *-- (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """One canonical table; `statement` makes it, without its comments."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def statement(self) -> str:
        columns = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        return f"CREATE TABLE {self.name} ({columns})"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


@cache
def tables() -> dict[str, Table]:
    """Every table by its name, in the order of the file."""
    return tables_of(files(__package__).joinpath("schema.sql").read_text(encoding="utf-8"))


def tables_of(text: str) -> dict[str, Table]:
    """The tables of a schema that is written as ours is, by name, in the order of the text."""
    found = [
        Table(name, _joined(comment), tuple(Column(*parts) for parts in _COLUMN.findall(body)))
        for comment, name, body in _TABLE.findall(text)
    ]
    return {table.name: table for table in found}


def _joined(comment: str) -> str:
    return " ".join(line.removeprefix("-- ") for line in comment.splitlines())
