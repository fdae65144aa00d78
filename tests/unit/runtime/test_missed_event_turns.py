"""Which cancelled orders a look for missed events is about: its slice, and what has just aged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runtime.adapters.store.missed import Span
from runtime.services.payments_reconciler.missed_events import chosen_spans

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def span(since_minutes: int, until_minutes: int) -> Span:
    """By minutes before noon."""
    return Span(NOON - timedelta(minutes=since_minutes), NOON - timedelta(minutes=until_minutes))


def test_a_week_without_cancelled_orders_has_nothing_to_look_at() -> None:
    assert chosen_spans(None, None, None) == []


def test_the_first_look_is_about_the_newest() -> None:
    assert chosen_spans(span(90, 10), None, None) == [span(90, 10)]


def test_a_look_at_older_ones_is_about_those_that_have_just_aged_too() -> None:
    seen_to = NOON - timedelta(minutes=12)

    assert chosen_spans(span(90, 10), span(300, 200), seen_to) == [span(300, 200), span(12, 10)]


def test_what_has_just_aged_is_not_looked_at_twice_where_it_is_in_the_slice() -> None:
    seen_to = NOON - timedelta(minutes=12)

    assert chosen_spans(span(90, 10), None, seen_to) == [span(90, 10)]


def test_more_than_a_slice_that_has_aged_since_is_looked_at_to_its_beginning() -> None:
    seen_to = NOON - timedelta(minutes=120)

    assert chosen_spans(span(90, 10), None, seen_to) == [span(90, 10), span(120, 90)]


def test_a_look_in_the_same_instant_has_nothing_that_has_just_aged() -> None:
    seen_to = NOON - timedelta(minutes=10)

    assert chosen_spans(span(90, 10), span(300, 200), seen_to) == [span(300, 200)]
