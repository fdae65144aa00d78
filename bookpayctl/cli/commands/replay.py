"""`replay`: go through what Kafka retains again, and count that nobody pays."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bookpayctl.cli.options import NameOption, environment_of
from bookpayctl.cli.output import Document, fail, hint, print_json, print_line, print_table
from bookpayctl.cli.reports import (
    EvidenceOption,
    FormatOption,
    ReportFormat,
    ReportOption,
    StrictOption,
    finish,
    report_files,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.replay.evidence import SavedPosition
    from bookpayctl.replay.ranges import ReplayRange
    from bookpayctl.report.result import Report
    from bookpayctl.targets.environment import Environment


class ReplayMode(StrEnum):
    """What is done with the records."""

    LIVE = "live"
    VERIFY = "verify"


FromOption = Annotated[
    str,
    typer.Option("--from", metavar="WHERE", help="earliest, a time with its zone, or P:OFFSET."),
]
ToOption = Annotated[
    str,
    typer.Option("--to", metavar="WHERE", help="latest, a time with its zone, or P:OFFSET."),
]
TopicOption = Annotated[
    list[str] | None,
    typer.Option("--topic", metavar="TOPIC", help="Only this one; repeatable."),
]
ModeOption = Annotated[
    ReplayMode,
    typer.Option("--mode", help="live: through the real worker; verify: compare only."),
]
MaxOption = Annotated[
    int | None, typer.Option(min=1, help="About so many of the newest; default: all.")
]
RateOption = Annotated[
    str | None, typer.Option("--rate", metavar="N/S", help="Records in a second, at most.")
]
ResumeOption = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Go on where this run stopped.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be read, and stop.")]


def replay(
    name: NameOption = None,
    start: FromOption = "earliest",
    end: ToOption = "latest",
    topic: TopicOption = None,
    mode: ModeOption = ReplayMode.LIVE,
    max_records: MaxOption = None,
    rate: RateOption = None,
    resume: ResumeOption = None,
    dry_run: DryRunOption = False,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long reading may take (live).")
    ] = "5m",
    strict: StrictOption = False,
    verbose: EvidenceOption = True,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Go through retained records again; nobody may be charged by it.

    live: a new consumer group takes them through the real worker, and executions at Stripe, calls
    in our journal and payments are counted before and after. Refused where the payments ledger does
    not cover the range. The group is deleted at the end.
    verify: each record is compared with its outbox row, its order and its payment. Reads only.

    Example: bookpayctl replay --mode verify --from 2026-11-29T10:00:00Z
    """
    from bookpayctl.cli.durations import duration_of

    files = report_files(report, output)
    wanted = _wanted(mode, start, end, topic, max_records)
    per_second = _rate(rate)
    deadline_seconds = duration_of(timeout, "--timeout")
    _refuse_what_does_not_go_together(mode, end=end, rate=rate, resume=resume, dry_run=dry_run)
    environment = environment_of(name)
    if dry_run:
        _print_plan(_planned(environment, wanted, mode), per_second, output)
        return
    if mode is ReplayMode.LIVE:
        result = _through_the_worker(environment, wanted, deadline_seconds, strict=strict)
    else:
        position = None if resume else _planned(environment, wanted, mode)
        result = _compared(environment, mode, position, resume, per_second, strict=strict)
    finish(result, output, files, detailed=verbose)


def _wanted(
    mode: ReplayMode, start: str, end: str, topics: list[str] | None, records_max: int | None
) -> ReplayRange:
    from bookpayctl.replay.errors import PositionError
    from bookpayctl.replay.live import TOPICS
    from bookpayctl.replay.planning import ALL_TOPICS
    from bookpayctl.replay.position import EARLIEST, LATEST, position_of
    from bookpayctl.replay.ranges import ReplayRange, topics_of

    try:
        return ReplayRange(
            topics=topics_of(topics, TOPICS if mode is ReplayMode.LIVE else ALL_TOPICS),
            named=bool(topics),
            start=position_of(start, "--from", EARLIEST),
            end=position_of(end, "--to", LATEST),
            records_max=records_max,
        )
    except PositionError as error:
        fail(str(error), ExitCode.USAGE)


def _rate(text: str | None) -> int | None:
    from bookpayctl.replay.pace import rate_of

    try:
        return None if text is None else rate_of(text)
    except ValueError as error:
        fail(f"--rate {error}", ExitCode.USAGE)


def _refuse_what_does_not_go_together(
    mode: ReplayMode, *, end: str, rate: str | None, resume: str | None, dry_run: bool
) -> None:
    """A worker reads to the end as fast as it can, so what bounds it is refused and not ignored."""
    given = {"--to": end != "latest", "--rate": rate is not None, "--resume": resume is not None}
    strange = [option for option, is_given in given.items() if is_given]
    if mode is ReplayMode.LIVE and strange:
        fail(f"{strange[0]} does not go with --mode live", ExitCode.USAGE)
    if dry_run and resume is not None:
        fail("--resume and --dry-run do not go together", ExitCode.USAGE)


def _planned(environment: Environment, wanted: ReplayRange, mode: ReplayMode) -> SavedPosition:
    from bookpayctl.replay.errors import PositionError, ReplayError
    from bookpayctl.replay.planning import plan

    try:
        return plan(environment, wanted, mode.value)
    except PositionError as error:
        fail(str(error), ExitCode.USAGE)
    except ReplayError as error:
        _not_answered(error)


def _not_answered(error: Exception) -> NoReturn:
    fail(str(error), ExitCode.UNKNOWN, fix="bookpayctl status")


def _through_the_worker(
    environment: Environment, wanted: ReplayRange, deadline_seconds: float, *, strict: bool
) -> Report:
    from bookpayctl.check import CheckRequest, run_checks
    from bookpayctl.checks import replay_charges_nobody
    from bookpayctl.replay.errors import PositionError, ReplayError
    from bookpayctl.replay.live import refusal_of
    from bookpayctl.session import RefusedError, guard, refused_report

    request = CheckRequest(
        environment, deadline_seconds=deadline_seconds, replay_range=wanted, strict=strict
    )
    try:
        guard(environment)
        refusal = refusal_of(environment, wanted)
        if refusal is not None:
            raise RefusedError(refusal)
        return run_checks([replay_charges_nobody.CHECK], request, hint)
    except RefusedError as refused:
        return refused_report("CheckReport", environment, refused)
    except PositionError as error:
        fail(str(error), ExitCode.USAGE)
    except ReplayError as error:
        _not_answered(error)


def _compared(
    environment: Environment,
    mode: ReplayMode,
    planned: SavedPosition | None,
    resume: str | None,
    rate: int | None,
    *,
    strict: bool,
) -> Report:
    """Read and compare, in a run of its own or in the one that is resumed."""
    from bookpayctl.cli.pacing import shown_pace
    from bookpayctl.judge.ledgers.store import StoreError
    from bookpayctl.replay import evidence
    from bookpayctl.replay.comparing import COMPARISONS, compare
    from bookpayctl.replay.errors import ReplayError
    from bookpayctl.replay.reading import Pacing
    from bookpayctl.runs import directory

    try:
        if planned is None:
            run = directory.resume(environment.runs_dir / str(resume))
            position = evidence.saved(run.path)
        else:
            run, position = directory.begin(environment.runs_dir, "replay"), planned
            run.journal("begin", mode=mode.value)
        if position.mode != mode.value:
            fail(f"run {run.run_id} is of --mode {position.mode}", ExitCode.USAGE)
        with shown_pace() as show:
            result = compare(
                environment,
                run,
                COMPARISONS[position.mode],
                position,
                Pacing(rate, show),
                strict=strict,
            )
        run.journal("verdict", verdict=result.verdict.value, code=int(result.code))
    except FileNotFoundError:
        fail(f"no run is called {resume!r}", ExitCode.USAGE)
    except ReplayError as error:
        _not_answered(error)
    except (OSError, StoreError) as error:
        fail(
            f"the replay could not keep what it read: {str(error).strip()}",
            ExitCode.UNKNOWN,
            fix="bookpayctl doctor",
        )
    if result.incidents and result.code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        hint(f"fix: bookpayctl replay --mode {mode.value} --resume {run.run_id}")
    return result


def plan_document(planned: SavedPosition, rate: int | None) -> Document:
    """What would be read."""
    from bookpayctl.replay.position import records_in

    records = records_in(planned.ranges)
    body: dict[str, Any] = {
        "mode": planned.mode,
        "records": records,
        "retained": records_in(planned.retained),
        "rate": rate,
        "seconds_min": None if rate is None else round(records / rate, 1),
        "ranges": [
            {"topic": topic, "partition": partition, "from": first, "to": end}
            for (topic, partition), (first, end) in sorted(planned.ranges.items())
        ],
    }
    return Document("ReplayPlan", ExitCode.PASS, "planned", body)


def _print_plan(planned: SavedPosition, rate: int | None, output: ReportFormat) -> None:
    document = plan_document(planned, rate)
    if output is ReportFormat.JUNIT:
        fail("--dry-run has no junit report", ExitCode.USAGE)
    if output is ReportFormat.JSON:
        print_json(document)
        return
    print_table(
        ("topic", "partition", "from", "to", "records"),
        [
            (row["topic"], row["partition"], row["from"], row["to"], row["to"] - row["from"])
            for row in document.body["ranges"]
        ],
    )
    least = document.body["seconds_min"]
    pace = "" if least is None else f", at least {least:g} s at {rate}/s"
    print_line(f"{document.body['records']} records{pace}; nothing was read")


def register(app: typer.Typer) -> None:
    app.command("replay")(replay)
