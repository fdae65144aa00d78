"""`replay`: go through what Kafka retains again, and count that nobody pays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bookpayctl.cli.commands.replay_outbox import (
    AggregateOption,
    SinceOption,
    TypeOption,
    UntilOption,
    print_plan,
    refuse_captured,
    selection_of,
    send,
)
from bookpayctl.cli.options import NameOption, environment_of
from bookpayctl.cli.output import Document, fail, hint, print_json, print_line, print_table
from bookpayctl.cli.reports import (
    EvidenceOption,
    FormatOption,
    ReportFormat,
    ReportOption,
    SelftestOption,
    StrictOption,
    finish,
    report_files,
)
from bookpayctl.replay.position import EARLIEST, EDGE, LATEST, LogPlace
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.replay.evidence import SavedPosition
    from bookpayctl.replay.outbox_rows import OutboxSelection
    from bookpayctl.replay.ranges import ReplayRange
    from bookpayctl.report.result import Report
    from bookpayctl.targets.environment import Environment


class ReplaySource(StrEnum):
    """Where records come from."""

    LOG = "log"
    OUTBOX = "outbox"


class ReplayMode(StrEnum):
    """What is done with the records."""

    LIVE = "live"
    VERIFY = "verify"
    SHADOW = "shadow"


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
    typer.Option("--mode", help="live: through the real worker; verify, shadow: compare only."),
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
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be read or sent, and stop.")
]


def replay(
    name: NameOption = None,
    start: FromOption = EARLIEST,
    end: ToOption = LATEST,
    topic: TopicOption = None,
    mode: ModeOption = ReplayMode.LIVE,
    max_records: MaxOption = None,
    source: Annotated[
        ReplaySource,
        typer.Option("--source", help="log: what Kafka retains; outbox: publish rows again."),
    ] = ReplaySource.LOG,
    since: SinceOption = None,
    until: UntilOption = None,
    event_type: TypeOption = None,
    aggregate: AggregateOption = None,
    rate: RateOption = None,
    resume: ResumeOption = None,
    dry_run: DryRunOption = False,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the worker, or consumers, may take.")
    ] = "5m",
    selftest: SelftestOption = False,
    strict: StrictOption = False,
    verbose: EvidenceOption = True,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Go through retained records, or the outbox, again; nobody may be charged by it.

    live: a new consumer group takes them through the real worker, and executions at Stripe, calls
    in our journal and payments are counted before and after. Refused where the payments ledger does
    not cover the range. The group is deleted at the end.
    verify: each record is compared with its outbox row, its order and its payment. Reads only.
    shadow: orders and payments are rebuilt from the log and compared with the tables. Reads only.
    --source outbox: rows that were published go out once more, with a header `replay`.
    --selftest asks all of this of logs and stacks that are wrong on purpose, on this machine.

    Example: bookpayctl replay --mode verify --from 2026-11-29T10:00:00Z
    """
    files = report_files(report, output)
    choice = {"--since": since, "--until": until, "--type": event_type, "--aggregate": aggregate}
    place = {"--from": start != EARLIEST, "--to": end != LATEST, "--topic": topic}
    of_log = {**place, "--max-records": max_records, "--mode": mode is not ReplayMode.LIVE}
    if selftest:
        reading = {"--rate": rate, "--resume": resume, "--dry-run": dry_run}
        outbox = {**choice, "--source": source is not ReplaySource.LOG}
        finish(_selftest({**of_log, **reading, **outbox}), output, files, detailed=verbose)
    _refuse_dry_run(output, dry_run=dry_run, resume=resume)
    how = _How(resume, _rate(rate), _seconds(timeout), dry_run, strict, output)
    if source is ReplaySource.OUTBOX:
        _refuse(of_log, "--source outbox")
        _refuse(choice if resume else {}, "--resume")
        selection = None if resume else selection_of(since, until, event_type, aggregate)
        result = _from_the_outbox(name, selection, how)
    else:
        _refuse(choice, "--source log")
        result = _from_the_log(name, mode, _wanted(mode, start, end, topic, max_records), how)
    if result is not None:
        finish(result, output, files, detailed=verbose)


def _selftest(given: Mapping[str, object]) -> Report:
    """Every mode at once, on what is wrong on purpose."""
    from bookpayctl.selftest.replays import replay_report

    _refuse(given, "--selftest")
    return replay_report(hint)


@dataclass(frozen=True, slots=True)
class _How:
    """What goes with every replay."""

    resume: str | None
    rate: int | None
    deadline_seconds: float
    dry_run: bool
    strict: bool
    output: ReportFormat


def _from_the_log(
    name: str | None, mode: ReplayMode, wanted: ReplayRange, how: _How
) -> Report | None:
    """The report of a replay of the log; None where only its plan was printed."""
    if mode is ReplayMode.LIVE:
        # A worker reads to the end as fast as it can.
        bounds = {"--to": wanted.end != EDGE, "--rate": how.rate, "--resume": how.resume}
        _refuse(bounds, "--mode live")
    if mode is ReplayMode.SHADOW:
        # Half of what happened to an order rebuilds another order.
        parts = {
            "--to": wanted.end != EDGE,
            "--topic": wanted.named,
            "--max-records": wanted.records_max,
            "--from PARTITION:OFFSET": isinstance(wanted.start, LogPlace),
        }
        _refuse(parts, "--mode shadow")
    if how.resume:
        # The run knows what it was to read.
        edges = {"--from": wanted.start != EDGE, "--to": wanted.end != EDGE}
        which = {"--topic": wanted.named, "--max-records": wanted.records_max}
        _refuse({**edges, **which}, "--resume")
    environment = environment_of(name)
    if how.dry_run:
        _print_plan(_planned(environment, wanted, mode), how.rate, how.output)
        return None
    if mode is ReplayMode.LIVE:
        return _through_the_worker(environment, wanted, how)
    position = None if how.resume else _planned(environment, wanted, mode)
    return _compared(environment, mode, position, how)


def _from_the_outbox(
    name: str | None, selection: OutboxSelection | None, how: _How
) -> Report | None:
    """The report of rows that were published again; None where only the plan was printed."""
    environment = environment_of(name)
    refuse_captured(environment)
    if how.dry_run and selection is not None:
        print_plan(environment, selection, how.rate, how.output)
        return None
    return send(
        environment,
        selection,
        how.resume,
        rate=how.rate,
        deadline_seconds=how.deadline_seconds,
        strict=how.strict,
    )


def _refuse_dry_run(output: ReportFormat, *, dry_run: bool, resume: str | None) -> None:
    if dry_run and output is ReportFormat.JUNIT:
        fail("--dry-run has no junit report", ExitCode.USAGE)
    if dry_run and resume is not None:
        fail("--resume and --dry-run do not go together", ExitCode.USAGE)


def _seconds(timeout: str) -> float:
    from bookpayctl.cli.durations import duration_of

    return duration_of(timeout, "--timeout")


def _wanted(
    mode: ReplayMode, start: str, end: str, topics: list[str] | None, records_max: int | None
) -> ReplayRange:
    from bookpayctl.replay.errors import PositionError
    from bookpayctl.replay.live import TOPICS
    from bookpayctl.replay.planning import ALL_TOPICS
    from bookpayctl.replay.position import position_of
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


def _refuse(given: Mapping[str, object], beside: str) -> None:
    """What would have no effect is refused and not ignored; exit 2 names the first."""
    strange = [option for option, value in given.items() if value]
    if strange:
        fail(f"{strange[0]} does not go with {beside}", ExitCode.USAGE)


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


def _through_the_worker(environment: Environment, wanted: ReplayRange, how: _How) -> Report:
    from bookpayctl.check import CheckRequest, run_checks
    from bookpayctl.checks import replay_charges_nobody
    from bookpayctl.replay.errors import PositionError, ReplayError
    from bookpayctl.replay.live import refusal_of
    from bookpayctl.session import RefusedError, guard, refused_report

    request = CheckRequest(
        environment,
        deadline_seconds=how.deadline_seconds,
        replay_range=wanted,
        strict=how.strict,
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
    environment: Environment, mode: ReplayMode, planned: SavedPosition | None, how: _How
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
            run = directory.resume(environment.runs_dir / str(how.resume))
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
                Pacing(how.rate, show),
                strict=how.strict,
            )
        run.journal("verdict", verdict=result.verdict.value, code=int(result.code))
    except FileNotFoundError:
        fail(f"no run is called {how.resume!r}", ExitCode.USAGE)
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
