"""`drill storm`: many faults by a schedule that a seed has drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from bookpayctl.cli.durations import duration_of
from bookpayctl.cli.options import NameOption, environment_of
from bookpayctl.cli.output import fail, hint, print_json, print_table
from bookpayctl.cli.recorded import run_folder
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    StrictOption,
    finish,
    planned_form,
    report_files,
)
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.verdict import Verdict
from bookpayctl.storm.kinds import StormProfile

if TYPE_CHECKING:
    from bookpayctl.drill.scenario import Drill, DrillRequest
    from bookpayctl.drill.series import Turn
    from bookpayctl.drills.storm import Weather
    from bookpayctl.report.result import Report
    from bookpayctl.storm.schedule import Schedule
    from bookpayctl.targets.environment import Environment

SeedOption = Annotated[int, typer.Option(help="Of the schedule, and of the load.")]
DurationOption = Annotated[
    str, typer.Option(metavar="DURATION", help="How long the load runs; the faults end before.")
]
PaceOption = Annotated[
    float, typer.Option(min=0.1, max=60, help="How many faults are drawn in a minute.")
]
ProfileOption = Annotated[StormProfile, typer.Option(help="Which kinds of faults there may be.")]
ScheduleOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Run this schedule as it is, rather than draw one."),
]
ControlOption = Annotated[
    bool, typer.Option("--control", help="Run it on stacks that are wrong: it must find out.")
]


ShrinkOption = Annotated[
    str | None,
    typer.Option(
        metavar="RUN", help="Find the smaller storm that violates what that run's did; takes long."
    ),
]
TriesOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="With --shrink: stacks for each smaller storm.")
]
ConfirmOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="With --shrink: stacks for what is left.")
]
IntoOption = Annotated[
    Path, typer.Option(metavar="DIR", help="With --shrink: for schedule.json and repro.sh.")
]
InvariantOption = Annotated[
    str | None, typer.Option(metavar="ID", help="With --shrink: which; the first, otherwise.")
]


@dataclass(frozen=True, slots=True)
class StormWords:
    """What was said on the command line of what is to be run."""

    profile: StormProfile
    seed: int
    duration: str
    rate_per_second: float
    timeout: str
    repetitions: int
    strict: bool

    def turns(self, weather: Weather, environment: Environment) -> list[Turn]:
        """One storm, or one for each seed; a schedule brings its own seed, length and load."""
        from bookpayctl.drill.scenario import DrillRequest
        from bookpayctl.drill.series import turns_of
        from bookpayctl.drills.storm import storm_drill

        given = weather.schedule
        request = DrillRequest(
            environment=environment,
            point=given.profile if given else self.profile.value,
            rate_per_second=given.rate_per_second if given else self.rate_per_second,
            duration_seconds=(
                given.duration_seconds if given else duration_of(self.duration, "--duration")
            ),
            deadline_seconds=duration_of(self.timeout, "--timeout"),
            seed=given.seed if given else self.seed,
            strict=self.strict,
        )
        chosen = [(storm_drill(weather), request)]
        return turns_of(chosen, every_point=False, repetitions=self.repetitions)


@dataclass(frozen=True, slots=True)
class Shrinking:
    """What was said on the command line of a run to be made smaller."""

    run: str
    invariant: str | None
    tries: int
    confirmations: int
    deadline_seconds: float
    into: Path

    def report(self, name: str | None) -> Report:
        """Shrink it; exit 2 where the run was no storm, or violated nothing."""
        from bookpayctl.selftest.shrinking import ShrinkRequest, shrink

        with run_folder(self.run, name) as folder:
            schedule, violated = _stormed(folder), _violated(folder)
            run_id = folder.name
        question = self.invariant or next(iter(violated), None)
        if question not in violated:
            has = ", ".join(violated) or "nothing"
            fail(f"--shrink {self.run}: that storm violated {has}", ExitCode.USAGE)
        request = ShrinkRequest(
            run_id=run_id,
            schedule=schedule,
            question=str(question),
            tries=self.tries,
            confirmations=self.confirmations,
            deadline_seconds=self.deadline_seconds,
            into=self.into.absolute(),
        )
        return shrink(request, hint)


def _stormed(folder: Path) -> Schedule:
    """The schedule that a run's journal has; exit 2 where it has none."""
    from bookpayctl.runs.directory import JOURNAL_FILE, read_lines
    from bookpayctl.storm.schedule import ScheduleError, read_schedule

    lines = read_lines(folder / JOURNAL_FILE)
    try:
        found = [line["schedule"] for line in lines if line.get("event") == "storm"]
        if not found:
            fail(f"--shrink {folder}: it was no storm, its journal has no schedule", ExitCode.USAGE)
        return read_schedule(found[-1])
    except (OSError, ValueError, KeyError, ScheduleError) as error:
        fail(f"--shrink {folder}: {error}", ExitCode.USAGE)


def _violated(folder: Path) -> list[str]:
    """Ids of what its report says is violated, in the report's order."""
    from bookpayctl.runs.directory import REPORT_FILE

    try:
        items = json.loads((folder / REPORT_FILE).read_text())["items"]
        return [item["id"] for item in items if item["verdict"] == Verdict.VIOLATED]
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail(f"--shrink {folder}: it has no report: {error}", ExitCode.USAGE)


def storm(
    name: NameOption = None,
    seed: SeedOption = 0,
    duration: DurationOption = "75s",
    faults_per_minute: PaceOption = 10.0,
    profile: ProfileOption = StormProfile.EVERYTHING,
    rate: RateOption = 10.0,
    timeout: TimeoutOption = "180s",
    repeat: RepeatOption = 1,
    schedule: ScheduleOption = None,
    plan: PlanOption = False,
    control: ControlOption = False,
    shrink: ShrinkOption = None,
    invariant: InvariantOption = None,
    tries: TriesOption = 3,
    confirm: ConfirmOption = 5,
    into: IntoOption = Path("storm-shrunk"),
    strict: StrictOption = False,
    verbose: AllOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Faults of many kinds by a schedule that a seed has drawn, one over another.

    The schedule is drawn before anything runs, and the same seed draws the same one; --plan prints
    it. What could not be proven to have landed is unknown, and exits 3. --shrink brings up one
    stack after another, on this machine, with the runtime that BOOKPAY_PYTHONPATH names.

    Example: bookpayctl drill storm --seed 5 --duration 90s --plan
    """
    from bookpayctl.drills.storm import DRILL, Weather

    files = report_files(report, output, inputs=[schedule] if schedule else [])
    if control:
        finish(controlled([DRILL]), output, files, detailed=verbose)
    if shrink is not None:
        bound = duration_of(timeout, "--timeout")
        asked_for = Shrinking(shrink, invariant, tries, confirm, bound, into)
        finish(asked_for.report(name), output, files, detailed=True)
    weather = Weather(faults_per_minute, _read(schedule))
    if schedule is not None and repeat > 1:
        fail("--schedule is one storm; --repeat would run it under other seeds", ExitCode.USAGE)
    environment = environment_of(name)
    asked = StormWords(profile, seed, duration, rate, timeout, repeat, strict)
    turns = asked.turns(weather, environment)
    if plan:
        _print_plan(turns[0], weather, output)
        return
    if repeat == 1:
        fold = None if verbose else "I"
        one = perform(turns[0].drill, turns[0].request)
        if one.verdict is Verdict.VIOLATED and one.run_dir is not None:
            hint(f"which of its faults it takes: bookpayctl drill storm --shrink {one.run_dir}")
        finish(one, output, files, detailed=True, fold=fold)
    finish(_several(environment, turns), output, files, detailed=True)


def _several(environment: Environment, turns: Sequence[Turn]) -> Report:
    """One storm after another, and what all of them come to together."""
    from bookpayctl.drill.series import run_series
    from bookpayctl.drills.observing.storms_together import together_items
    from bookpayctl.runs.directory import JOURNAL_FILE, read_lines

    folders: list[Path] = []

    def remembered(drill: Drill, request: DrillRequest) -> Report:
        done = recorded(drill, request)
        folders.extend([] if done.run_dir is None else [Path(done.run_dir)])
        return done

    series = run_series(environment, turns, [], remembered, hint)
    journals = [list(read_lines(folder / JOURNAL_FILE)) for folder in folders]
    return replace(series, items=(*series.items, *together_items(journals)))


def _read(path: Path | None) -> Schedule | None:
    """A schedule from its file; exit 2 where it is none."""
    from bookpayctl.storm.schedule import ScheduleError, read_schedule

    if path is None:
        return None
    try:
        return read_schedule(json.loads(path.read_text()))
    except (OSError, ValueError, ScheduleError) as error:
        fail(f"--schedule {path}: {error}", ExitCode.USAGE)


def _print_plan(turn: Turn, weather: Weather, output: ReportFormat) -> None:
    from bookpayctl.drill.scenario import plan
    from bookpayctl.targets.errors import TargetError

    planned_form("--plan", output)
    try:
        drawn = weather.schedule_of(turn.request)
    except TargetError as error:
        fail(f"--plan: it is drawn for the processes there are: {error}", ExitCode.UNKNOWN)
    lines = [
        *plan(turn.drill, turn.request),
        ("seed", str(drawn.seed)),
        *((f"fault {fault.number}", fault.words) for fault in drawn.faults),
    ]
    if output is ReportFormat.TABLE:
        print_table(("plan", turn.drill.slug), lines)
        return
    print_json(drill_plan(turn.drill, lines))
