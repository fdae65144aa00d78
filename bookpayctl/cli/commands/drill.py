"""`drill`: break the stack on purpose, prove that it broke, and judge how it came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.options import NameOption, environment_of
from bookpayctl.cli.output import Document, OutputFormat, fail, hint, print_json, print_table
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    StrictOption,
    finish,
    report_files,
)
from bookpayctl.drills.catalogue import CATALOGUE, Entry
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report

if TYPE_CHECKING:
    from bookpayctl.drill.scenario import Drill, DrillRequest

RateOption = Annotated[float, typer.Option(min=0.1, max=2000, help="Orders per second meanwhile.")]
DurationOption = Annotated[str, typer.Option(metavar="DURATION", help="How long the load runs.")]
TimeoutOption = Annotated[
    str, typer.Option(metavar="DURATION", help="Bound of each wait, and of the recovery.")
]
SeedOption = Annotated[int, typer.Option(help="Of the load; the same seed sends the same orders.")]
PlanOption = Annotated[bool, typer.Option("--plan", help="Say what would be done, and stop.")]
ControlOption = Annotated[
    bool,
    typer.Option(
        "--control",
        help="Run it on stacks that are wrong on purpose, on this machine: it must find out.",
    ),
]
AllOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="List every invariant, not only those that fail.")
]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="POINT", help="Where to strike; see --plan.")
]


def run(
    slug: Annotated[str, typer.Argument(metavar="DRILL", help="See `drill list`.")],
    name: NameOption = None,
    at: AtOption = None,
    rate: RateOption = 10.0,
    duration: DurationOption = "10s",
    timeout: TimeoutOption = "60s",
    seed: SeedOption = 0,
    plan: PlanOption = False,
    control: ControlOption = False,
    strict: StrictOption = False,
    verbose: AllOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Run a drill. No proof that the fault landed, no pass: then exit 3.

    Example: bookpayctl drill run outage --at kafka --plan
    """
    from bookpayctl.cli.durations import duration_of
    from bookpayctl.drill.scenario import DrillRequest
    from bookpayctl.drills import find_drill

    files = report_files(report, output)
    drill = find_drill(slug)
    if drill is None:
        known = ", ".join(entry.slug for entry in CATALOGUE)
        fail(f"no drill {slug!r}; there are: {known}", ExitCode.USAGE)
    if control:
        finish(_controlled(drill), output, files, detailed=verbose)
    point = at or next(iter(drill.points))
    if point not in drill.points:
        fail(f"--at {point!r}: {slug} has {', '.join(drill.points)}", ExitCode.USAGE)
    request = DrillRequest(
        environment=environment_of(name),
        point=point,
        rate_per_second=rate,
        duration_seconds=duration_of(duration, "--duration"),
        deadline_seconds=duration_of(timeout, "--timeout"),
        seed=seed,
        strict=strict,
    )
    if plan:
        _print_plan(drill, request, output)
        return
    fold = None if verbose else "I"
    finish(perform(drill, request), output, files, detailed=True, fold=fold)


def _controlled(drill: Drill) -> Report:
    """Run a drill as its controls have it, each on a stack of its own."""
    from bookpayctl.controls.catalogue import controls_of_drill
    from bookpayctl.selftest.report import selftest_report
    from bookpayctl.selftest.stacks import stack_items, without_control

    controls = controls_of_drill(drill.slug)
    missing = [] if controls else [without_control(drill.slug, drill.question)]
    return selftest_report(f"drill {drill.slug}", stack_items(controls, hint), missing)


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


def list_drills(
    output: Annotated[
        OutputFormat, typer.Option("--output", "-o", help="What is written to stdout.")
    ] = OutputFormat.TABLE,
) -> None:
    """The drills there are, and what each puts at risk.

    Example: bookpayctl drill list -o json
    """
    from bookpayctl.drills import load_drill

    drills = [(entry, load_drill(entry)) for entry in CATALOGUE]
    if output is OutputFormat.JSON:
        print_json(drill_list(drills))
        return
    print_table(
        ("hits", "drill", "what happens", "runs on", "blast radius"),
        [
            (
                entry.hits[0],
                entry.slug,
                entry.title,
                ", ".join(drill.platforms),
                drill.blast_radius,
            )
            for entry, drill in drills
        ],
    )


def drill_list(drills: Sequence[tuple[Entry, Drill]]) -> Document:
    """The list as a document."""
    listed = [
        {
            "slug": entry.slug,
            "hits": list(entry.hits),
            "title": entry.title,
            "duration": entry.duration,
            "question": drill.question,
            "expected": drill.expected,
            "platforms": list(drill.platforms),
            "blast_radius": drill.blast_radius,
            "points": drill.points,
        }
        for entry, drill in drills
    ]
    return Document("DrillList", ExitCode.PASS, "listed", {"drills": listed})


def _print_plan(drill: Drill, request: DrillRequest, output: ReportFormat) -> None:
    from bookpayctl.drill.scenario import plan

    if output not in (ReportFormat.TABLE, ReportFormat.JSON):
        fail(f"--plan has no form as {output.value}; nothing was judged", ExitCode.USAGE)
    lines = plan(drill, request)
    if output is ReportFormat.TABLE:
        print_table(("plan", drill.slug), lines)
        return
    print_json(drill_plan(drill, lines))


def drill_plan(drill: Drill, lines: Sequence[tuple[str, str]]) -> Document:
    """What a drill would do, as a document."""
    body = {"drill": drill.slug, "plan": dict(lines)}
    return Document("DrillPlan", ExitCode.PASS, "planned", body)


def _named(entry: Entry) -> Callable[..., None]:
    """The command of one drill, so that `drill crash-mid-charge` works as the runbooks have it."""

    def command(
        name: NameOption = None,
        at: AtOption = None,
        rate: RateOption = 10.0,
        duration: DurationOption = entry.duration,
        timeout: TimeoutOption = "60s",
        seed: SeedOption = 0,
        plan: PlanOption = False,
        control: ControlOption = False,
        strict: StrictOption = False,
        verbose: AllOption = False,
        output: FormatOption = ReportFormat.TABLE,
        report: ReportOption = None,
    ) -> None:
        run(
            slug=entry.slug,
            name=name,
            at=at,
            rate=rate,
            duration=duration,
            timeout=timeout,
            seed=seed,
            plan=plan,
            control=control,
            strict=strict,
            verbose=verbose,
            output=output,
            report=report,
        )

    return command


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Break it on purpose, with proof.", no_args_is_help=True)
    group.command("list")(list_drills)
    group.command("run")(run)
    for entry in CATALOGUE:
        says = f"{entry.title[0].upper()}{entry.title[1:]}."
        says += f"\n\nExample: bookpayctl drill {entry.slug} --duration 20s --plan"
        group.command(entry.slug, help=says)(_named(entry))
    app.add_typer(group, name="drill")
