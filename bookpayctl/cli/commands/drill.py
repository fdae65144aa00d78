"""`drill`: break the stack on purpose, prove that it broke, and judge how it came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.commands.storm import storm
from bookpayctl.cli.drill_runs import (
    AllOption,
    PlanOption,
    RateOption,
    RepeatOption,
    TimeoutOption,
    controlled,
    drill_plan,
    perform,
    recorded,
)
from bookpayctl.cli.options import NameOption, environment_of
from bookpayctl.cli.output import Document, OutputFormat, hint, print_json, print_table
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    StrictOption,
    finish,
    planned_form,
    report_files,
)
from bookpayctl.drill.phase import Phase
from bookpayctl.drills.catalogue import CATALOGUE, Area, Entry
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report

if TYPE_CHECKING:
    from bookpayctl.cli.drill_choice import Choice
    from bookpayctl.drill.scenario import Drill
    from bookpayctl.drill.series import Turn
    from bookpayctl.report.verdict import Item
    from bookpayctl.targets.environment import Environment

STORM = "storm"
"""The one drill whose command takes more than the others': how it is drawn."""

SlugsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[DRILL]...", help="See `drill list`.")
]
TagOption = Annotated[
    list[Area] | None, typer.Option("--tag", help="Also every drill that hits this.")
]
EverythingOption = Annotated[bool, typer.Option("--all", help="Every drill there is.")]
DurationOption = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="How long the load runs; the drill's own otherwise."),
]
SeedOption = Annotated[int, typer.Option(help="Of the load; the same seed sends the same orders.")]
EveryPointOption = Annotated[
    bool, typer.Option("--all-points", help="Strike at each of its points, one after another.")
]
KeepOption = Annotated[
    bool,
    typer.Option("--keep", help="Leave the fault in place for `recover`; nothing is acquitted."),
]
PauseOption = Annotated[
    Phase | None,
    typer.Option("--pause-before", help="Wait for Enter there; needs a terminal."),
]
ControlOption = Annotated[
    bool,
    typer.Option(
        "--control",
        help="Run it on stacks that are wrong on purpose, on this machine: it must find out.",
    ),
]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="POINT", help="Where to strike; see --plan.")
]


def run(
    slugs: SlugsArgument = None,
    name: NameOption = None,
    tags: TagOption = None,
    everything: EverythingOption = False,
    at: AtOption = None,
    every_point: EveryPointOption = False,
    repeat: RepeatOption = 1,
    rate: RateOption = 10.0,
    duration: DurationOption = None,
    timeout: TimeoutOption = "60s",
    seed: SeedOption = 0,
    plan: PlanOption = False,
    control: ControlOption = False,
    keep: KeepOption = False,
    pause_before: PauseOption = None,
    strict: StrictOption = False,
    verbose: AllOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Run drills. No proof that the fault landed, no pass: then exit 3.

    Several are run one after another, each with a report of its own in its run's folder. Of those
    that `--tag` or `--all` choose, what cannot be run here is left out, and said to be.

    Example: bookpayctl drill run outage --at kafka --plan
    """
    from bookpayctl.cli.drill_choice import Choice, chosen

    choice = Choice(
        slugs=tuple(slugs or ()),
        tags=tuple(tags or ()),
        everything=everything,
        at=at,
        every_point=every_point,
        repetitions=repeat,
        rate_per_second=rate,
        duration=duration,
        timeout=timeout,
        seed=seed,
        keeps_fault=keep,
        pause_before=pause_before,
        strict=strict,
    )
    files = report_files(report, output)
    drills = chosen(choice)
    if control:
        finish(controlled(drills), output, files, detailed=verbose)
    environment = environment_of(name)
    turns, left_out = choice.turns(drills, environment)
    if plan:
        _print_plan(turns, output)
        return
    fold = "I" if choice.is_one and not verbose else None
    finish(
        _performed(environment, choice, turns, left_out), output, files, detailed=True, fold=fold
    )


def _performed(
    environment: Environment, choice: Choice, turns: Sequence[Turn], left_out: Sequence[Item]
) -> Report:
    """One drill's own report, or the table of several."""
    from bookpayctl.drill.series import run_series

    if choice.is_one:
        return perform(turns[0].drill, turns[0].request)
    return run_series(environment, turns, left_out, recorded, hint)


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


def _print_plan(turns: Sequence[Turn], output: ReportFormat) -> None:
    from bookpayctl.drill.scenario import plan

    planned_form("--plan", output)
    if len(turns) != 1:
        _print_series(turns, output)
        return
    lines = plan(turns[0].drill, turns[0].request)
    if output is ReportFormat.TABLE:
        print_table(("plan", turns[0].drill.slug), lines)
        return
    print_json(drill_plan(turns[0].drill, lines))


def _print_series(turns: Sequence[Turn], output: ReportFormat) -> None:
    if output is ReportFormat.JSON:
        print_json(series_plan(turns))
        return
    print_table(
        ("drill", "point", "seed", "load", "what is struck"),
        [
            (
                turn.drill.slug,
                turn.request.point,
                str(turn.request.seed),
                f"{turn.request.rate_per_second:g}/s for {turn.request.duration_seconds:g} s",
                turn.drill.points[turn.request.point],
            )
            for turn in turns
        ],
    )


def series_plan(turns: Sequence[Turn]) -> Document:
    """What several drills would do, in their order, as a document."""
    planned = [
        {
            "drill": turn.drill.slug,
            "point": turn.request.point,
            "seed": turn.request.seed,
            "rate_per_second": turn.request.rate_per_second,
            "duration_seconds": turn.request.duration_seconds,
        }
        for turn in turns
    ]
    return Document("DrillSeriesPlan", ExitCode.PASS, "planned", {"drills": planned})


def _named(entry: Entry) -> Callable[..., None]:
    """The command of one drill, so that `drill crash-mid-charge` works as the runbooks have it."""

    def command(
        name: NameOption = None,
        at: AtOption = None,
        every_point: EveryPointOption = False,
        repeat: RepeatOption = 1,
        rate: RateOption = 10.0,
        duration: DurationOption = None,
        timeout: TimeoutOption = "60s",
        seed: SeedOption = 0,
        plan: PlanOption = False,
        control: ControlOption = False,
        keep: KeepOption = False,
        pause_before: PauseOption = None,
        strict: StrictOption = False,
        verbose: AllOption = False,
        output: FormatOption = ReportFormat.TABLE,
        report: ReportOption = None,
    ) -> None:
        run(
            slugs=[entry.slug],
            name=name,
            at=at,
            every_point=every_point,
            repeat=repeat,
            rate=rate,
            duration=duration,
            timeout=timeout,
            seed=seed,
            plan=plan,
            control=control,
            keep=keep,
            pause_before=pause_before,
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
        if entry.slug == STORM:
            group.command(STORM)(storm)
            continue
        says = f"{entry.title[0].upper()}{entry.title[1:]}."
        says += f"\n\nExample: bookpayctl drill {entry.slug} --duration 20s --plan"
        group.command(entry.slug, help=says)(_named(entry))
    app.add_typer(group, name="drill")
