"""A select list is made from the fields that receive it, so no column can slide into another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from runtime.adapters.store.database import FAR_FUTURE, FAR_PAST
from runtime.adapters.store.rows import AGE_SECONDS_MAX, age_seconds, seconds_since, select_list

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Shape:
    amount_cents: int
    currency: str
    age_seconds: float


def test_every_field_is_selected_under_its_own_name() -> None:
    assert select_list(Shape, {"age_seconds": "now() - at"}) == (
        "amount_cents, currency, now() - at AS age_seconds"
    )


def test_an_expression_for_a_field_that_is_gone_is_an_error() -> None:
    with pytest.raises(ValueError, match="total_cents"):
        select_list(Shape, {"total_cents": "amount_cents"})


@pytest.mark.parametrize(
    ("sql", "clock"),
    [
        (seconds_since("created_at"), "environment_now()"),
        (seconds_since("created_at", clock="clock_timestamp()"), "clock_timestamp()"),
    ],
)
def test_an_age_is_taken_on_the_clock_that_is_named(sql: str, clock: str) -> None:
    assert sql == (
        "(CASE WHEN created_at IS NULL THEN NULL"
        f" WHEN created_at > {clock} + interval '1 day'"
        f" OR created_at < {clock} - interval '100 years'"
        f" THEN 3153600000 ELSE extract(epoch FROM {clock} - created_at) END)::float8"
    )


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        (NOON, 0.0),
        (NOON - timedelta(seconds=90), 90.0),
        (NOON + timedelta(hours=1), -3600.0),
        (NOON + timedelta(days=2), AGE_SECONDS_MAX),
        (NOON - timedelta(days=101 * 366), AGE_SECONDS_MAX),
        (FAR_PAST, AGE_SECONDS_MAX),
        (FAR_FUTURE, AGE_SECONDS_MAX),
    ],
    ids=["now", "past", "an hour ahead", "days ahead", "a century", "far past", "far future"],
)
def test_a_time_that_makes_no_sense_is_as_old_as_can_be(at: datetime, seconds: float) -> None:
    assert age_seconds(at, NOON) == seconds
    assert age_seconds(at, NOON, senseless=0) == (0 if seconds == AGE_SECONDS_MAX else seconds)
