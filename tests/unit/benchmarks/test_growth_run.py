"""The kept run of `growth`: page and picture say what it says, and no path is over the bound."""

from __future__ import annotations

import json

import pytest

from benchmarks import growth, growth_plot
from benchmarks.growth_cost import Cost
from benchmarks.growth_stage import TIMES
from benchmarks.runner.result import BenchResult, result_of
from tests.support.processes import ROOT

DOCS = ROOT / "docs"

UNMEASURED = frozenset({"outbox-vacuum"})
"""What the kept run does not have; the page says so."""

OVER = frozenset({"tool-check", "reconciler-missed"})
"""What reads a bounded part of the past, which is not there at the smallest size, or in memory."""


@pytest.fixture(scope="module")
def run() -> BenchResult:
    return result_of(json.loads((DOCS / "growth.json").read_text()))


def test_a_round_says_what_each_size_costs_and_how_many_times_the_smallest() -> None:
    cost = {1: Cost(2.0, 1.0), 10: Cost(3.0, 1.5), 100: Cost(5.0, None)}

    assert growth.values_of(cost) == {
        "at_1x": 2.0,
        "at_10x": 3.0,
        "at_100x": 5.0,
        "ratio_10x": 1.5,
        "ratio_100x": 2.5,
        "cpu_1x": 1.0,
        "cpu_10x": 1.5,
        "cpu_ratio_10x": 1.5,
    }


def test_the_picture_and_the_table_are_those_of_the_kept_run(run: BenchResult) -> None:
    assert (DOCS / "growth.svg").read_text() == growth_plot.drawn(run)
    assert growth_plot.table(run) in (DOCS / "performance.md").read_text()


def test_every_path_was_measured_at_every_size(run: BenchResult) -> None:
    measured = {
        name for name in growth.TITLES if all(run.spread(name, f"at_{times}x") for times in TIMES)
    }

    assert measured == growth.TITLES.keys() - UNMEASURED


@pytest.mark.parametrize("name", sorted(growth.TITLES.keys() - UNMEASURED - OVER))
def test_no_hot_path_costs_more_than_the_bound(run: BenchResult, name: str) -> None:
    """Of processors where they are known: on a busy machine the clock is the machine's."""
    for times in TIMES[1:]:
        found = run.spread(name, f"cpu_ratio_{times}x") or run.spread(name, f"ratio_{times}x")
        assert found is not None
        assert found.median <= growth.RATIO_MAX
