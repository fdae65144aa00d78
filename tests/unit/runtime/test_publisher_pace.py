"""How often the publisher looks, how much it takes, and when it marks: values in, values out."""

from __future__ import annotations

import pytest

from runtime.services.outbox_publisher.pace import (
    BATCH,
    BATCH_MAX,
    BUSY_SECONDS,
    GATHER_SECONDS,
    IDLE_SECONDS_MAX,
    MARKED_AT_ONCE,
    PATIENCE_SECONDS,
    marks_now,
    next_limit,
    next_wait,
)


def test_rows_keep_the_pace_high() -> None:
    assert next_wait(IDLE_SECONDS_MAX, found_rows=True, idle_seconds=0.0) == BUSY_SECONDS


def test_a_trickle_keeps_the_pace_high() -> None:
    wait = next_wait(BUSY_SECONDS, found_rows=False, idle_seconds=PATIENCE_SECONDS / 2)

    assert wait == BUSY_SECONDS


def test_an_idle_outbox_is_looked_at_ten_times_a_second_at_least() -> None:
    wait = BUSY_SECONDS
    for _ in range(100):
        wait = next_wait(wait, found_rows=False, idle_seconds=60.0)

    assert wait == IDLE_SECONDS_MAX == 0.1


def test_batches_are_large_while_looks_bring_all_that_they_may() -> None:
    assert next_limit(BATCH, found=BATCH) == BATCH_MAX
    assert next_limit(BATCH_MAX, found=BATCH_MAX) == BATCH_MAX
    assert next_limit(BATCH_MAX, found=BATCH_MAX - 1) == BATCH


@pytest.mark.parametrize(
    ("acknowledged", "waited_seconds", "unacknowledged", "limit", "expected"),
    [
        (0, 0.0, 0, BATCH, False),
        (1, 0.0, 500, BATCH, False),
        (1, GATHER_SECONDS, 500, BATCH, True),
        (MARKED_AT_ONCE, 0.0, 500, BATCH, True),
        (MARKED_AT_ONCE - 1, 9.0, 1, BATCH_MAX, False),
        (MARKED_AT_ONCE, 0.0, 1, BATCH_MAX, True),
        (1, GATHER_SECONDS, 0, BATCH_MAX, True),
    ],
    ids=[
        "nothing",
        "keeps up, a moment ago",
        "keeps up, long enough",
        "keeps up, enough",
        "behind, too few",
        "behind, enough",
        "behind, no more to come",
    ],
)
def test_marks_wait_for_company_a_moment_and_longer_while_the_publisher_is_behind(
    acknowledged: int, waited_seconds: float, unacknowledged: int, limit: int, *, expected: bool
) -> None:
    told = marks_now(
        acknowledged, waited_seconds=waited_seconds, unacknowledged=unacknowledged, limit=limit
    )

    assert told is expected
