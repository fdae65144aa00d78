"""Delta debugging leaves what is needed, in its order, and asks no more than it has to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bookpayctl.storm.ddmin import ddmin


@pytest.mark.parametrize("culprits", [{0}, {9}, {3, 7}, {0, 5, 9}, set(range(10))])
def test_what_is_left_is_what_fails_together(culprits: set[int]) -> None:
    found = ddmin(range(10), lambda part: culprits <= set(part))

    assert found == sorted(culprits)


def test_no_single_item_of_what_is_left_can_be_left_out() -> None:
    def fails(part: Sequence[int]) -> bool:
        return sum(part) >= 20

    found = ddmin([1, 9, 2, 8, 3, 7], fails)

    assert fails(found)
    assert not any(fails([one for one in found if one is not other]) for other in found)


def test_one_item_is_as_small_as_it_gets_and_nobody_is_asked() -> None:
    assert ddmin(["only"], lambda _: pytest.fail("asked")) == ["only"]
    assert ddmin([], lambda _: pytest.fail("asked")) == []


def test_no_part_is_asked_twice_and_nothing_is_never_asked() -> None:
    asked: list[tuple[int, ...]] = []

    def fails(part: Sequence[int]) -> bool:
        asked.append(tuple(part))
        return {2, 5} <= set(part)

    ddmin(range(8), fails)

    assert len(asked) == len(set(asked))
    assert () not in asked


def test_items_that_are_alike_are_kept_apart() -> None:
    assert ddmin(["a", "b", "a"], lambda part: list(part).count("a") == 2) == ["a", "a"]


def test_a_failure_that_comes_and_goes_ends_the_search_too() -> None:
    answers = iter([True, False] * 20)

    assert ddmin(range(8), lambda _: next(answers))
