"""Which part of a Stripe list is read next: ranges of creation times, and where they are cut. Pure.

A range is whole seconds, `begin <= created < end`. Two that were cut from one never share a second,
so no object is in both and none is between them. Cutting happens below objects that were read
already: whatever Stripe makes meanwhile is newer than them, and falls into no range below a cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

PAGES_AHEAD: Final = 8
"""How many pages, as dense as the last one, stay with who reads when the rest is given away.

Fewer make many short ranges, whose last page is half empty; more let an idle reader wait.
"""


@dataclass(frozen=True, slots=True)
class CreatedRange:
    """Objects of one list that are still to be read.

    Attributes:
        begin: seconds of Stripe's clock; None is its first object.
        end: None is its newest object.
        after: id of the last object that was read of it; only older ones are left.
    """

    begin: int | None = None
    end: int | None = None
    after: str | None = None

    def holds(self, found: dict[str, Any]) -> bool:
        """Whether an object was made in this range; one without a time could be anywhere."""
        created = made_at(found)
        if created is None:
            return True
        return (self.begin or 0) <= created and (self.end is None or created < self.end)


def made_at(found: dict[str, Any]) -> int | None:
    """The second in which Stripe made an object; None when it says no such thing."""
    created = found.get("created")
    return created if isinstance(created, int) else None


def rest_of(part: CreatedRange, page: Sequence[dict[str, Any]]) -> CreatedRange:
    """What is left of a range when a page of it has been read; the page is not empty."""
    return replace(part, after=str(page[-1]["id"]))


def cut(
    rest: CreatedRange, page: Sequence[dict[str, Any]]
) -> tuple[CreatedRange, CreatedRange] | None:
    """Part what is left behind a page: the newer part, for who read the page, and the older one.

    Returns:
        None when one reader has to read it to its end: it is one second, or nobody knows when.
    """
    newest, oldest = made_at(page[0]), made_at(page[-1])
    if newest is None or oldest is None:
        return None
    begin = rest.begin or 0
    # A page of which all was made in one second says that a second holds a page at least.
    span = max(newest - oldest, 1)
    at = max((begin + oldest) // 2, oldest - PAGES_AHEAD * span)
    return (replace(rest, begin=at), CreatedRange(rest.begin, at)) if at > begin else None
