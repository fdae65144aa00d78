"""The smallest part of a list that still fails, by delta debugging. Pure but for the question.

Source: Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2),
2002: the algorithm ddmin, and its promise that no single item of the result can be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")


def ddmin(items: Sequence[_T], fails: Callable[[Sequence[_T]], bool]) -> list[_T]:
    """A part of `items`, in their order, that fails and of which no single item can be left out.

    Args:
        items: what is known to fail; it is not asked again.
        fails: whether a part fails; asked of no part twice, and never of nothing.
    """
    whole, parts = list(items), 2
    asked: dict[tuple[int, ...], bool] = {}
    left = list(range(len(whole)))

    def still(places: Sequence[int]) -> bool:
        key = tuple(places)
        if key not in asked:
            asked[key] = bool(key) and fails([whole[place] for place in key])
        return asked[key]

    while len(left) > 1:
        pieces = _split(left, parts)
        piece = next((one for one in pieces if still(one)), None)
        if piece is not None:
            left, parts = piece, 2
            continue
        rests = ([place for place in left if place not in one] for one in pieces)
        rest = next((one for one in rests if still(one)), None)
        if rest is not None:
            left, parts = rest, max(parts - 1, 2)
        elif parts >= len(left):
            break
        else:
            parts = min(parts * 2, len(left))
    return [whole[place] for place in left]


def _split(places: Sequence[int], parts: int) -> list[list[int]]:
    """Cut into so many pieces of nearly the same length, none of them empty."""
    size, more = divmod(len(places), parts)
    found, begin = [], 0
    for number in range(parts):
        end = begin + size + (number < more)
        found.append(list(places[begin:end]))
        begin = end
    return [piece for piece in found if piece]
