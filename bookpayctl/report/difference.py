"""What differs between two reports: verdicts first, then how much each question examined. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bookpayctl.report.verdict import Item

NOT_ASKED: Final = "-"
"""Stands where only the other report has the question."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that the two do not have alike; `-` where one of them does not have it."""

    name: str
    title: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Two reports side by side; empty where they agree.

    Attributes:
        verdicts: questions whose verdict is another, or that only one of them asked.
        examined: of questions with one verdict, those that looked at more, or at less.
        facts: what else is not alike: exit, faults, versions, rules.
    """

    verdicts: tuple[Change, ...]
    examined: tuple[Change, ...]
    facts: tuple[Change, ...]


def difference(
    before: Mapping[str, Item],
    after: Mapping[str, Item],
    facts_before: Mapping[str, str],
    facts_after: Mapping[str, str],
) -> Difference:
    """Compare item by item, in the order of the first and then of the second."""
    ids = dict.fromkeys((*before, *after))
    pairs = [(name, before.get(name), after.get(name)) for name in ids]
    return Difference(
        verdicts=tuple(
            Change(name, _title(a, b), _verdict(a), _verdict(b))
            for name, a, b in pairs
            if _verdict(a) != _verdict(b)
        ),
        examined=tuple(
            Change(name, a.title, str(a.examined), str(b.examined))
            for name, a, b in pairs
            if a and b and a.verdict is b.verdict and a.examined != b.examined
        ),
        facts=tuple(
            Change(name, "", facts_before.get(name, NOT_ASKED), facts_after.get(name, NOT_ASKED))
            for name in dict.fromkeys((*facts_before, *facts_after))
            if facts_before.get(name) != facts_after.get(name)
        ),
    )


def _verdict(item: Item | None) -> str:
    """What counts: the same verdict that is suppressed in one run comes to another exit code."""
    if item is None:
        return NOT_ASKED
    return item.verdict_told


def _title(before: Item | None, after: Item | None) -> str:
    item = after or before
    return "" if item is None else item.title
