"""Rows by name: the select list is made from the fields that receive it.

A column meets its field by name alone, so one that is added, removed or moved cannot slide money
or a state into its neighbour: a name on one side only is an error at the first row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Final

AGE_SECONDS_MAX: Final = 100 * 365 * 24 * 3600
"""A century: the age of whatever has no age that makes sense."""


def select_list(shape: type, expressions: Mapping[str, str]) -> str:
    """The columns to select for `class_row(shape)`.

    Args:
        shape: a dataclass; each field is a column of its own name unless `expressions` has it.
        expressions: SQL by field name. It is code, never input.

    Raises:
        ValueError: an expression is for no field of `shape`.
    """
    names = [field.name for field in fields(shape)]
    # Found at import, not at the first row: a column that was renamed on one side only.
    unknown = expressions.keys() - set(names)
    if unknown:
        raise ValueError(f"{shape.__name__} has no field for {sorted(unknown)}")
    return ", ".join(
        f"{expressions[name]} AS {name}" if name in expressions else name for name in names
    )


def seconds_since(
    column: str, *, clock: str = "environment_now()", senseless: int = AGE_SECONDS_MAX
) -> str:
    """SQL for the seconds since a timestamp column, on the environment's clock by default.

    It answers for every time that the column can hold: PostgreSQL takes no difference to infinity,
    and one such row would be an error of the whole batch.

    Args:
        senseless: the age of what is infinite, older than a century, or a day and more in the
            future. Chosen so that whoever decides by it is careful: a key is then too old to be
            sent, and a request is not known to have ended.
    """
    return (
        f"(CASE WHEN {column} IS NULL THEN NULL"
        f" WHEN {column} > {clock} + interval '1 day' OR {column} < {clock} - interval '100 years'"
        f" THEN {senseless} ELSE extract(epoch FROM {clock} - {column}) END)::float8"
    )


_DAY: Final = timedelta(days=1)
_CENTURY: Final = timedelta(seconds=AGE_SECONDS_MAX)


def age_seconds(at: datetime, clock: datetime, *, senseless: int = AGE_SECONDS_MAX) -> float:
    """The same of a time that was read beside its clock.

    For rows that are read many times a second: the environment's clock is a function that reads a
    table, and the SQL above asks for it three times an age.
    """
    age = clock - at
    return senseless if age < -_DAY or age > _CENTURY else age.total_seconds()
