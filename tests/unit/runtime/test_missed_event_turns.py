"""Which cancelled orders a look for missed events is about: its slice, and what has just aged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runtime.adapters.store.missed import Period, Slice
from runtime.services.payments_reconciler.missed_events import chosen_spans

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def before(minutes: int) -> datetime:
    return NOON - timedelta(minutes=minutes)


def span(since_minutes: int, until_minutes: int) -> Period:
    """By minutes before noon."""
    return Period(before(since_minutes), before(until_minutes))


def part(since_minutes: int, until_minutes: int) -> Slice:
    """Of a week of which all is old enough that lies ten minutes before noon."""
    return Slice(before(since_minutes), before(until_minutes), before(10))


def test_the_first_look_is_about_the_newest() -> None:
    assert chosen_spans(part(90, 10), None, from_the_end=True) == [span(90, 10)]


def test_a_look_at_older_ones_is_about_those_that_have_just_aged_too() -> None:
    chosen = chosen_spans(part(300, 200), before(12), from_the_end=False)

    assert chosen == [span(300, 200), span(12, 10)]


def test_what_has_just_aged_is_not_looked_at_twice_where_it_is_in_the_slice() -> None:
    assert chosen_spans(part(90, 10), before(12), from_the_end=True) == [span(90, 10)]


def test_more_than_a_slice_that_has_aged_since_is_looked_at_to_its_beginning() -> None:
    chosen = chosen_spans(part(90, 10), before(120), from_the_end=True)

    assert chosen == [span(90, 10), span(120, 90)]


def test_a_look_in_the_same_instant_has_nothing_that_has_just_aged() -> None:
    chosen = chosen_spans(part(300, 200), before(10), from_the_end=False)

    assert chosen == [span(300, 200)]
