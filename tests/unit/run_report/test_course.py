"""The course of a run, counted by SQL: how much a page holds does not grow with the orders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bookpayctl.judge.ledgers.store import LedgerConnection, open_folder, opened
from bookpayctl.run_report import ledgers
from bookpayctl.run_report.course import (
    BINS_MAX,
    MARKS_MAX,
    levels,
    shown_marks,
    window_of,
)
from bookpayctl.run_report.figures import mark_groups, nice_top, seconds_text, tick_seconds
from bookpayctl.run_report.page import html_page
from bookpayctl.run_report.view import RunView
from bookpayctl.runs.marks import JournalMark, MarkKind
from tests.support.run_views import course_with
from tests.support.sample_reports import report_of

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[LedgerConnection]:
    """An engine with every table of the judge, and nothing in them."""
    with opened() as engine:
        open_folder(engine, tmp_path)
        yield engine


def placed(
    connection: LedgerConnection, orders: list[tuple[str, str, float, float | None]]
) -> None:
    """Orders by id and status, placed and ended so many seconds after noon."""
    for order_id, status, began, ended in orders:
        connection.execute(
            "INSERT INTO orders (order_id, status, created_at, client_key) VALUES (?, ?, ?, ?)",
            [order_id, status, after(began).replace(tzinfo=None), f"key-{order_id}"],
        )
        if ended is not None:
            connection.execute(
                "INSERT INTO order_steps (order_id, to_state, happened_at) VALUES (?, 'paid', ?)",
                [order_id, after(ended).replace(tzinfo=None)],
            )


def test_orders_are_counted_by_bin_and_by_what_became_of_them(connection: LedgerConnection) -> None:
    placed(
        connection,
        [("a", "paid", 0, 0.2), ("b", "paid", 0.1, 0.7), ("c", "pending", 0.6, None)],
    )
    ledgers.prepare(connection)

    course = ledgers.course_of(connection, window_of(NOON, NOON), ["b"])

    assert course.window.bins == 4
    assert course.placed["paid"] == (2, 0, 0, 0)
    assert course.placed["pending"] == (0, 0, 1, 0)
    assert course.offenders == (1, 0, 0, 0)
    assert course.open_orders == (1, 1, 1, 1)
    assert course.latencies[1:] == (None, None, None)
    first = course.latencies[0]
    assert first is not None
    assert [first.median, first.p99, first.worst] == pytest.approx([0.4, 0.596, 0.6])


def test_what_was_open_before_the_window_counts_as_waiting(connection: LedgerConnection) -> None:
    placed(connection, [("old", "paid", -5, 0.6), ("done", "paid", -5, -4)])
    ledgers.prepare(connection)

    course = ledgers.course_of(connection, window_of(NOON, NOON), [])

    assert course.open_orders == (1, 1, 0, 0)
    assert course.orders == 0


def test_what_runs_placed_themselves_is_no_customers_order(connection: LedgerConnection) -> None:
    placed(connection, [("a", "paid", 0, 0.2), ("probe", "paid", 0, 0.2)])
    connection.execute("INSERT INTO probes (kind, id) VALUES ('client_key', 'key-probe')")
    ledgers.prepare(connection)

    assert ledgers.extent(connection, None, None).orders == 1


def test_an_order_of_a_wrong_year_does_not_flatten_the_figure(connection: LedgerConnection) -> None:
    connection.execute(
        "INSERT INTO judgement (read_at, ahead_from)"
        " VALUES (TIMESTAMP '2026-11-22 12:01:00', TIMESTAMP '2026-11-22 12:02:00')"
    )
    placed(connection, [("a", "paid", 0, 0.2), ("late", "paid", 1, 9e8), ("old", "paid", -9e8, 0)])
    for name, time in (("never", "-infinity"), ("ever", "infinity"), ("none", None)):
        connection.execute(
            "INSERT INTO orders (order_id, status, created_at) VALUES (?, 'paid', ?)", [name, time]
        )
    ledgers.prepare(connection)

    found = ledgers.extent(connection, *ledgers.time_of_all(connection))

    assert (found.first_at, found.last_at, found.orders) == (NOON, after(1), 2)


def test_where_nobody_marks_events_as_published_none_is_said_to_wait(
    connection: LedgerConnection,
) -> None:
    connection.execute("INSERT INTO judgement (change_data_capture) VALUES (true)")
    placed(connection, [("a", "paid", 0, 0.2)])
    ledgers.prepare(connection)

    assert ledgers.course_of(connection, window_of(NOON, NOON), []).unpublished is None


def test_a_page_of_ten_thousand_orders_is_no_larger_than_one_of_a_hundred(
    connection: LedgerConnection,
) -> None:
    connection.execute(
        "INSERT INTO orders (order_id, status, created_at, client_key)"
        " SELECT 'ord_' || n, 'paid', TIMESTAMP '2026-11-22 12:00:00' + n * INTERVAL 100"
        " MILLISECOND, 'key' || n FROM range(10000) AS t(n)"
    )
    connection.execute(
        "INSERT INTO order_steps (order_id, to_state, happened_at)"
        " SELECT order_id, 'paid', created_at + INTERVAL 2 SECOND FROM orders"
    )
    ledgers.prepare(connection)
    found = ledgers.extent(connection, None, None)
    assert found.first_at is not None
    assert found.last_at is not None

    course = ledgers.course_of(connection, window_of(found.first_at, found.last_at), [])
    text = html_page(RunView(report_of("holds"), course=course))

    assert (course.orders, course.window.bins) == (10_000, BINS_MAX)
    assert len(text) < 60_000


def test_levels_are_what_came_less_what_went() -> None:
    assert levels(2, (1, 0, 3), (0, 2, 1)) == (3, 1, 3)


def test_of_a_storm_the_first_marks_are_shown_and_the_others_counted() -> None:
    window = window_of(NOON, after(1_000))
    marks = [JournalMark(after(n), MarkKind.FAULT, "killed", "w", "") for n in range(100)]
    before = JournalMark(after(-1), MarkKind.FAULT, "killed", "w", "")
    step = JournalMark(after(1), MarkKind.STEP, "begin", "", "")

    shown, left_out = shown_marks([before, step, *marks], window)

    assert (len(shown), left_out) == (MARKS_MAX, 100 - MARKS_MAX)
    assert shown[0].at == NOON


def test_marks_that_lie_together_share_a_place() -> None:
    course = course_with("plain")

    assert [label for _, label in mark_groups(course)] == ["1", "2"]


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (3, 5), (5, 5), (6, 10), (11, 20), (0.3, 1), (999, 1000)]
)
def test_an_axis_of_counts_ends_at_a_round_number(value: float, top: float) -> None:
    assert nice_top(value) == top


@pytest.mark.parametrize(
    ("seconds", "step"), [(4, 1), (21.8, 5), (90, 10), (600, 120), (90_000, 21_600)]
)
def test_an_axis_of_time_has_a_few_round_numbers(seconds: float, step: float) -> None:
    assert tick_seconds(seconds) == step


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "+0 s"), (90, "+90 s"), (120, "+2 min"), (7_200, "+2 h")]
)
def test_times_are_told_in_the_largest_whole_unit(seconds: float, words: str) -> None:
    assert seconds_text(seconds) == words
