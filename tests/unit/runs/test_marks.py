"""What a journal tells: faults, what put them back, and how long they lasted."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import bookpayctl
from bookpayctl.runs.marks import EVENTS, MarkKind, faults_of, marks_of, spans_of


def line(second: int, event: str, **facts: Any) -> dict[str, Any]:
    return {"at": f"2026-11-22T12:00:{second:02}.000+00:00", "event": event, **facts}


def journalled_events() -> set[str]:
    """Every event that some part of the tool writes into a journal."""
    return {
        node.args[0].value
        for path in Path(bookpayctl.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("run.journal")
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_every_event_that_is_written_down_is_known_for_what_it_is() -> None:
    written = journalled_events()

    assert {"injecting", "killed", "undone", "verdict"} <= written
    assert written - set(EVENTS) == set()


def test_a_cut_lasts_until_the_traffic_passes_again() -> None:
    lines = [
        line(5, "cut", service="postgres"),
        line(6, "cut", service="kafka"),
        line(15, "passes", service="postgres"),
    ]

    (span,) = spans_of(lines)

    assert (span.began_at.second, span.ended_at.second) == (5, 15)
    assert span.words == "cut postgres"


def test_a_kill_lasts_until_the_successor_runs() -> None:
    (span,) = spans_of([line(9, "killed", process="worker-1", back_seconds=2.0)])

    assert (span.began_at.second, span.ended_at.second) == (7, 9)


def test_a_fault_that_is_told_by_its_injection_alone_lasts_as_long_as_that() -> None:
    (span,) = spans_of([line(2, "injecting", point="kafka"), line(9, "injected", point="kafka")])

    assert (span.began_at.second, span.ended_at.second, span.words) == (2, 9, "injecting kafka")


def test_what_is_told_exactly_counts_instead_of_the_whole_injection() -> None:
    lines = [
        line(2, "injecting", point="postgres"),
        line(5, "cut", service="postgres"),
        line(8, "passes", service="postgres"),
        line(9, "injected", point="postgres"),
    ]

    assert [span.words for span in spans_of(lines)] == ["cut postgres"]


def test_a_kill_after_which_nobody_came_has_no_end() -> None:
    assert spans_of([line(9, "killed", process="worker-1", back_seconds=None)]) == []


def test_of_many_faults_of_a_kind_the_number_is_told() -> None:
    killed = [line(n, "killed", process=f"worker-{n}") for n in range(14)]

    assert faults_of(marks_of([*killed, line(30, "cut", service="kafka")])) == [
        "killed 14 times",
        "cut kafka",
    ]


def test_a_fault_that_no_line_names_is_told_by_its_point() -> None:
    lines = [line(1, "injecting", point="kafka"), line(9, "injected", point="kafka")]

    assert faults_of(marks_of(lines)) == ["injected kafka"]


def test_lines_that_nobody_wrote_are_steps_or_nothing() -> None:
    marks = marks_of([{"at": "yesterday"}, {}, line(1, "exploded", what="\x1b[2J")])

    assert [(mark.kind, mark.event) for mark in marks] == [(MarkKind.STEP, "exploded")]
