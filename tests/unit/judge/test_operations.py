"""What an operator is warned of: each question with what is well, what is not, and its edge."""

from __future__ import annotations

import pytest

from bookpayctl.checks.operations import (
    clocks_agree,
    consumers_keep_up,
    disk_has_room,
    nothing_waits_for_a_person,
    outbox_drains,
    payments_settle,
    wal_is_released,
)
from bookpayctl.checks.operations.clocks_agree import Reading
from bookpayctl.checks.operations.wal_is_released import OpenTransaction, Slot
from bookpayctl.report.verdict import Verdict
from bookpayctl.targets.status import OpenPayments, Waiting

GIB = 1024**3
MINUTES = 60.0


@pytest.mark.parametrize(
    ("count", "oldest", "verdict"),
    [
        (0, 0.0, Verdict.HOLDS),
        # Many that are young are a load, not a worry.
        (5_000, 60.0, Verdict.HOLDS),
        (1, 60.5, Verdict.WARNING),
    ],
)
def test_an_outbox_whose_oldest_waits_too_long_is_a_worry(
    count: int, oldest: float, verdict: Verdict
) -> None:
    found = outbox_drains.answer(count, oldest)

    assert found.verdict is verdict
    assert found.examined > 0


@pytest.mark.parametrize(
    ("before", "after", "standing"),
    [
        ({"a": 0, "b": 0}, {"a": 0, "b": 0}, []),
        # Behind, and catching up.
        ({"a": 900, "b": 0}, {"a": 400, "b": 0}, []),
        ({"a": 5, "b": 0}, {"a": 5, "b": 0}, ["a"]),
        ({"a": 0, "b": 3}, {"a": 0, "b": 9}, ["b"]),
        # What came in between the looks has not been read by either.
        ({"a": 0}, {"a": 2}, ["a"]),
    ],
)
def test_a_group_that_does_not_get_further_stands(
    before: dict[str, int], after: dict[str, int], standing: list[str]
) -> None:
    found = consumers_keep_up.answer(before, after)

    assert consumers_keep_up.standing(before, after) == standing
    assert found.verdict is (Verdict.WARNING if standing else Verdict.HOLDS)
    assert all(group in found.observed for group in standing)


@pytest.mark.parametrize(
    ("state", "minutes", "verdict"),
    [
        ("unknown", 15.0, Verdict.HOLDS),
        ("unknown", 15.1, Verdict.WARNING),
        ("charging", 16.0, Verdict.WARNING),
        ("parked", 16.0, Verdict.WARNING),
        # A bank takes days.
        ("processing", 3 * 24 * 60.0, Verdict.HOLDS),
        ("refunding", 3 * 24 * 60.0, Verdict.HOLDS),
    ],
)
def test_a_payment_that_is_open_for_too_long_is_a_worry(
    state: str, minutes: float, verdict: Verdict
) -> None:
    found = payments_settle.answer([OpenPayments(state, 2, minutes * MINUTES)])

    assert found.verdict is verdict
    assert f"2 {state}" in found.observed


def test_without_open_payments_the_question_was_asked_all_the_same() -> None:
    found = payments_settle.answer([])

    assert (found.verdict, found.observed, found.examined) == (Verdict.HOLDS, "none open", 1)


@pytest.mark.parametrize("what", nothing_waits_for_a_person.WHERE_TO_LOOK)
def test_what_waits_for_a_person_is_a_worry_with_the_command_that_shows_it(what: str) -> None:
    waiting = [Waiting(name, 0, 0.0) for name in nothing_waits_for_a_person.WHERE_TO_LOOK]
    waiting.append(Waiting("orders pending", 7, 9.0))

    none = nothing_waits_for_a_person.answer(waiting)
    some = nothing_waits_for_a_person.answer([*waiting, Waiting(what, 3, 5.0)])

    assert none.verdict is Verdict.HOLDS
    assert none.examined == len(nothing_waits_for_a_person.WHERE_TO_LOOK)
    assert some.verdict is Verdict.WARNING
    assert some.observed == f"3 {what}"
    assert some.fix == nothing_waits_for_a_person.WHERE_TO_LOOK[what]


def test_a_database_that_names_nothing_that_waits_has_answered_nothing() -> None:
    assert nothing_waits_for_a_person.answer([]).verdict is Verdict.VACUOUS


@pytest.mark.parametrize(
    ("slot", "worry"),
    [
        (Slot("cdc", True, "reserved", GIB), ""),
        (Slot("cdc", False, "reserved", 0), ""),
        (Slot("cdc", True, "extended", 2 * GIB), "slot cdc keeps 2.0 GiB of WAL"),
        (
            Slot("cdc", False, "extended", 2 * GIB),
            "slot cdc keeps 2.0 GiB of WAL, and nobody reads it",
        ),
        (
            Slot("cdc", False, "lost", 0),
            "slot cdc is lost: what it has not read is going, or gone",
        ),
    ],
)
def test_a_slot_that_keeps_too_much_or_was_lost_is_a_worry(slot: Slot, worry: str) -> None:
    found = wal_is_released.answer([slot], [])

    assert found.verdict is (Verdict.WARNING if worry else Verdict.HOLDS)
    assert not worry or found.observed == worry


@pytest.mark.parametrize(("minutes", "verdict"), [(9.9, Verdict.HOLDS), (10.1, Verdict.WARNING)])
def test_a_transaction_that_is_open_for_too_long_is_a_worry(
    minutes: float, verdict: Verdict
) -> None:
    found = wal_is_released.answer([], [OpenTransaction(77, "report", minutes * MINUTES)])

    assert found.verdict is verdict
    assert verdict is Verdict.HOLDS or "report (pid 77)" in found.observed


@pytest.mark.parametrize(
    ("reading", "skew"),
    [
        (Reading("c", before=100.0, shown=100.2, after=100.5), 0.0),
        # The answer took a minute; where in it the clock was read, nobody knows.
        (Reading("c", before=100.0, shown=130.0, after=160.0), 0.0),
        (Reading("c", before=100.0, shown=170.0, after=160.0), 10.0),
        (Reading("c", before=100.0, shown=90.0, after=160.0), -10.0),
        # An HTTP date says 99 from 99.0 to 99.999.
        (Reading("c", before=99.9, shown=99.0, after=100.0, resolution=1.0), 0.0),
    ],
)
def test_a_clock_is_off_by_what_no_delay_explains(reading: Reading, skew: float) -> None:
    assert reading.skew_seconds == pytest.approx(skew)


@pytest.mark.parametrize(
    ("shown", "verdict", "words"),
    [
        (104.9, Verdict.HOLDS, "PostgreSQL agrees"),
        (105.1, Verdict.WARNING, "5.1 s ahead"),
        (94.0, Verdict.WARNING, "6.0 s behind"),
    ],
)
def test_clocks_that_differ_are_a_worry(shown: float, verdict: Verdict, words: str) -> None:
    found = clocks_agree.answer([Reading("PostgreSQL", 100.0, shown, 100.0)])

    assert found.verdict is verdict
    assert words in found.observed


@pytest.mark.parametrize(
    ("free", "total", "verdict"),
    [
        (2 * GIB, 20 * GIB, Verdict.HOLDS),
        (GIB - 1, 20 * GIB, Verdict.WARNING),
        # Much, and yet nearly nothing of a large disk.
        (19 * GIB, 1000 * GIB, Verdict.WARNING),
    ],
)
def test_a_disk_that_is_nearly_full_is_a_worry(free: int, total: int, verdict: Verdict) -> None:
    assert disk_has_room.answer(free, total, "/shop").verdict is verdict
