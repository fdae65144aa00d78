"""Checks whose answer does not count for a while, as `bookpay.toml` says: which, why, until when.

    [[check.suppress]]
    id = "BP-O005"
    reason = "the broker keeps 3 days until the new disks are in"
    until = "2027-01-31"

Each has a reason and a last day, because one without becomes for ever. Pure: a parsed file in,
values out; whether there is such a check is asked where the checks are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

SECTION: Final = "check"
_LIST: Final = "suppress"
_KEYS: Final = ("id", "reason", "until")


class SuppressionError(ValueError):
    """An entry cannot be used; the message names it and what it should be."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """One check that is asked and does not count.

    Attributes:
        until: the last day on which it does not count, in UTC.
    """

    id: str
    reason: str
    until: date

    def has_ended(self, today: date) -> bool:
        return today > self.until

    def __str__(self) -> str:
        return f"until {self.until.isoformat()}: {self.reason}"


def suppressions_in(section: object) -> tuple[Suppression, ...]:
    """The entries of a file's table `check`, in their order.

    Raises:
        SuppressionError: one lacks its reason or its date, or something else is in the table.
    """
    listed = section.get(_LIST, []) if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(listed, list) or {*section} - {_LIST}:
        raise SuppressionError(f"[{SECTION}] holds [[{SECTION}.{_LIST}]] and nothing else")
    found = tuple(_entry(entry, n) for n, entry in enumerate(listed, start=1))
    ids = [one.id for one in found]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise SuppressionError(f"{twice[0]} is suppressed twice")
    return found


def _entry(entry: object, number: int) -> Suppression:
    where = f"[[{SECTION}.{_LIST}]] number {number}"
    if not isinstance(entry, Mapping):
        raise SuppressionError(f"{where} must be a table with {', '.join(_KEYS)}")
    unknown = sorted(set(entry) - set(_KEYS))
    if unknown:
        raise SuppressionError(f"{where} has {unknown[0]}; known are {', '.join(_KEYS)}")
    check_id, reason = (_text(entry, key, where) for key in ("id", "reason"))
    return Suppression(check_id, reason, _day(entry.get("until"), f"{where} ({check_id})"))


def _text(entry: Mapping[str, object], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SuppressionError(f"{where} has no {key}")
    return value.strip()


def _day(value: object, where: str) -> date:
    """A day, as TOML's own or as text; a time of day says no more and is refused."""
    wanted = f"{where} has no `until` that is a day such as 2027-01-31"
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise SuppressionError(wanted)
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise SuppressionError(wanted) from error
