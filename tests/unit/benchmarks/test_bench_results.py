"""Rounds of contenders: medians with their spread, and what changed by more than it."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from benchmarks.runner import shown
from benchmarks.runner.result import (
    BenchResult,
    Metric,
    Round,
    Spread,
    changes,
    document_of,
    result_of,
)

RATE = Metric("rows_per_second", "backlog", "rows/s", True)
COST = Metric("cpu", "processor", "s/M rows", False)


def run(*values: float, load: float = 1.0, name: str = "ours", cost: float = 5.0) -> BenchResult:
    return BenchResult(
        suite="publisher",
        settings={"rounds": len(values)},
        machine={"processors": "2"},
        metrics=(RATE, COST),
        titles={name: "our publisher"},
        rounds=tuple(
            Round(name, number, load, {"rows_per_second": value, "cpu": cost})
            for number, value in enumerate(values, 1)
        ),
    )


def test_a_figure_is_its_median_between_its_least_and_its_greatest() -> None:
    assert run(30, 10, 20).spread("ours", "rows_per_second") == Spread(20, 10, 30)


def test_a_contender_without_a_figure_has_none() -> None:
    assert run(10).spread("ours", "p99_ms") is None
    assert run(10).spread("nobody", "cpu") is None


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ((10, 12, 14), (13, 15, 17), []),
        ((10, 12, 14), (14, 15, 17), []),
        ((10, 12, 14), (15, 16, 17), [True]),
        ((15, 16, 17), (10, 12, 14), [False]),
    ],
)
def test_what_changed_lies_outside_of_both_spreads(
    before: tuple[float, ...], now: tuple[float, ...], found: list[bool]
) -> None:
    seen = list(changes(run(*before), run(*now)))

    assert [change.is_better for change in seen] == found


def test_of_a_cost_less_is_better() -> None:
    (seen,) = changes(run(10, 10, cost=5.0), run(10, 10, cost=9.0))

    assert (seen.metric.name, seen.is_better, seen.ratio) == ("cpu", False, 1.8)
    assert shown.changes_told([seen]) == ["ours: processor 5.0 -> 9.0 s/M rows (1.80 times, worse)"]


def test_contenders_that_were_not_there_before_are_not_compared() -> None:
    assert list(changes(run(10, name="loop"), run(99, name="ours"))) == []
    assert shown.changes_told([]) == ["nothing changed beyond the spread"]


def test_a_machine_that_was_busy_when_it_began_says_so() -> None:
    assert not run(10, load=2.0).was_busy
    assert run(10, load=2.1).was_busy
    assert "busy" in shown.table(run(10, load=2.1))
    assert "busy" not in shown.table(run(10, load=2.0))


def test_a_kept_run_is_read_as_it_was() -> None:
    document = json.loads(json.dumps(document_of(run(10, 20, 30))))

    assert result_of(document) == run(10, 20, 30)


def test_another_document_is_no_run() -> None:
    with pytest.raises(ValueError, match="not a BenchReport"):
        result_of({"kind": "Status", "apiVersion": "bookpay/v1"})


@pytest.mark.parametrize(
    ("worse", "told"),
    [(None, (0, "measured")), (0, (0, "no_worse")), (2, (1, "worse"))],
)
def test_the_exit_code_says_whether_a_figure_is_worse(
    worse: int | None, told: tuple[int, str]
) -> None:
    found = document_of(run(10), worse)["exit"]

    assert (found["code"], found["reason"]) == told


def test_a_picture_has_a_bar_for_each_contender() -> None:
    drawn = ElementTree.fromstring(shown.picture(run(10, 20), RATE))  # noqa: S314 - ours

    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 1


def test_the_load_stands_beside_each_figure() -> None:
    head, line, *_ = shown.table(run(10, load=1.5)).splitlines()

    assert head.split()[-1] == "load"
    assert line.split()[-1] == "1.5"
