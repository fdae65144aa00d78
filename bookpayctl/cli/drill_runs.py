"""How commands run drills: their options, one, one of several, or one on stacks that are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.output import Document, hint
from bookpayctl.cli.reports import write_files
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report

if TYPE_CHECKING:
    from bookpayctl.drill.scenario import Drill, DrillRequest

RateOption = Annotated[float, typer.Option(min=0.1, max=2000, help="Orders per second meanwhile.")]
TimeoutOption = Annotated[
    str, typer.Option(metavar="DURATION", help="Bound of each wait, and of the recovery.")
]
RepeatOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Run it N times, each with the next seed.")
]
PlanOption = Annotated[bool, typer.Option("--plan", help="Say what would be done, and stop.")]
AllOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="List every invariant, not only those that fail.")
]


def perform(drill: Drill, request: DrillRequest) -> Report:
    """Run a drill, or the report that says why it may not be run."""
    from bookpayctl.drill.run import run_drill
    from bookpayctl.session import RefusedError, refused_report

    hint(f"question: {drill.question}")
    hint(f"expected: {drill.expected}")
    try:
        return run_drill(drill, request, hint)
    except RefusedError as refused:
        return refused_report("DrillReport", request.environment, refused)


def recorded(drill: Drill, request: DrillRequest) -> Report:
    """Run one of several; its report is in its run's folder before the next begins."""
    return write_files(perform(drill, request), [])


def controlled(drills: Sequence[Drill]) -> Report:
    """Run drills as their controls have it, each on a stack of its own."""
    from bookpayctl.controls.catalogue import controls_of_drill
    from bookpayctl.selftest.report import selftest_report
    from bookpayctl.selftest.stacks import stack_items, without_control

    controls = [control for drill in drills for control in controls_of_drill(drill.slug)]
    missing = [
        without_control(drill.slug, drill.question)
        for drill in drills
        if not controls_of_drill(drill.slug)
    ]
    asked = f"drill {' '.join(drill.slug for drill in drills)}"
    return selftest_report(asked, stack_items(controls, hint), missing)


def drill_plan(drill: Drill, lines: Sequence[tuple[str, str]]) -> Document:
    """What a drill would do, as a document."""
    body = {"drill": drill.slug, "plan": dict(lines)}
    return Document("DrillPlan", ExitCode.PASS, "planned", body)
