"""`audit`: every invariant over the three ledgers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.mapped_options import (
    LiveOption,
    MappedOptions,
    MappingOption,
    RedactOption,
    SampleOption,
    SinceOption,
    UntilOption,
    mapped_options,
)
from bookpayctl.cli.options import NameOption, environment_of
from bookpayctl.cli.output import fail, hint
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    SelftestOption,
    StrictOption,
    VerboseOption,
    finish,
    report_files,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.judge.audit import AuditRequest
    from bookpayctl.judge.rows import History
    from bookpayctl.report.result import Report
    from bookpayctl.targets.environment import Environment


AgeOption = Annotated[str, typer.Option(metavar="DURATION", help="Judge orders at least this old.")]
TimeoutOption = Annotated[
    str, typer.Option(metavar="DURATION", help="How long the ledgers may take to agree.")
]
HistoryOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Client history of a load or drill; adds I01 and I02."),
]


def audit(
    name: NameOption = None,
    age: AgeOption = "10s",
    timeout: TimeoutOption = "60s",
    history: HistoryOption = None,
    mapping: MappingOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    sample: SampleOption = None,
    read_only_live: LiveOption = False,
    redact: RedactOption = False,
    selftest: SelftestOption = False,
    strict: StrictOption = False,
    verbose: VerboseOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Prove from PostgreSQL, Kafka and Stripe that nobody was charged twice and nothing is lost.

    Reads only; judges what is older than --age, so the shop may go on selling. What was read stays
    in a run's folder, so that `bookpayctl verify` can judge it again. With --mapping it needs no
    environment, and judges what the mapping says is there. --selftest judges ledgers, and stacks,
    that are wrong on purpose: an invariant that does not find out is broken.

    Example: bookpayctl audit --age 30s -o json
    """
    from bookpayctl.cli.durations import duration_of

    inputs = [path for path in (history, mapping) if path is not None]
    files = report_files(report, output, inputs=inputs)
    if selftest:
        finish(_selftest(), output, files, detailed=verbose)
    age_seconds = duration_of(age, "--age")
    deadline_seconds = duration_of(timeout, "--timeout")
    recorded = _history(history)
    options = mapped_options(since, until, sample, read_only_live=read_only_live, redact=redact)
    _see_one_stack(mapping, options, name=name, history=history)
    if mapping is not None:
        result = _mapped(
            mapping,
            options,
            age_seconds=age_seconds,
            deadline_seconds=deadline_seconds,
            strict=strict,
        )
    else:
        result = _audited(
            environment_of(name),
            age_seconds=age_seconds,
            deadline_seconds=deadline_seconds,
            history=recorded,
            strict=strict,
        )
    finish(result, output, files, detailed=verbose)


def _selftest() -> Report:
    """Judge ledgers that are wrong on purpose, then stacks that are."""
    from bookpayctl.controls.catalogue import controls_asking
    from bookpayctl.judge.rules import rules
    from bookpayctl.judge.verification import AGREEMENT_ID
    from bookpayctl.selftest.ledgers import ledger_items
    from bookpayctl.selftest.report import selftest_report
    from bookpayctl.selftest.stacks import stack_items

    controls = controls_asking("audit", {AGREEMENT_ID, *(rule.id for rule in rules())})
    return selftest_report("audit", ledger_items(), stack_items(controls, hint))


def _see_one_stack(
    mapping: Path | None, options: MappedOptions, *, name: str | None, history: Path | None
) -> None:
    """End with 2 where the options speak of two stacks, or of a mapping that is not there."""
    if mapping is None and options.are_given:
        fail(
            "--since, --until, --sample, --redact and --read-only-live go with --mapping alone",
            ExitCode.USAGE,
        )
    other = "--name" if name is not None else "--history" if history is not None else None
    if mapping is not None and other is not None:
        fail(f"--mapping and {other} speak of different stacks", ExitCode.USAGE)


def _audited(
    environment: Environment,
    *,
    age_seconds: float,
    deadline_seconds: float,
    history: History | None,
    strict: bool,
) -> Report:
    """Audit in a run of its own, or refuse while an earlier run is not recovered."""
    from bookpayctl.judge.audit import AuditRequest
    from bookpayctl.judge.stacks.ours import OurStack
    from bookpayctl.session import RefusedError, guard, refused_report

    try:
        guard(environment)
    except RefusedError as refused:
        return refused_report("AuditReport", environment, refused)
    request = AuditRequest(
        OurStack(environment),
        age_seconds=age_seconds,
        deadline_seconds=deadline_seconds,
        history=history,
        strict=strict,
    )
    return _recorded(request, fix="bookpayctl status")


def _mapped(
    path: Path,
    options: MappedOptions,
    *,
    age_seconds: float,
    deadline_seconds: float,
    strict: bool,
) -> Report:
    """Audit what a mapping describes, in a run of its own."""
    from bookpayctl.cli.mapped_stack import stack_of, wrong_mapping
    from bookpayctl.judge.audit import AuditRequest
    from bookpayctl.judge.mapping.document import MappingError
    from bookpayctl.judge.stacks.mapped import Scope

    scope = Scope(options.since, options.sample_percent)
    request = AuditRequest(
        stack_of(path, scope=scope, read_only_live=options.read_only_live, redact=options.redact),
        age_seconds=age_seconds,
        deadline_seconds=deadline_seconds,
        cut_off=options.until,
        strict=strict,
    )
    try:
        return _recorded(request, fix=f"bookpayctl mapping test {path}")
    except MappingError as error:
        wrong_mapping(path, error)


def _recorded(request: AuditRequest, *, fix: str) -> Report:
    """Audit with a folder that keeps what was read; exit 3 where nothing could be."""
    from bookpayctl.clients.database import DatabaseError
    from bookpayctl.judge.audit import audit as run_audit
    from bookpayctl.judge.ledgers.store import StoreError
    from bookpayctl.runs import directory

    try:
        run = directory.begin(request.stack.runs_dir, "audit")
        run.journal("begin", age_seconds=request.age_seconds)
        result = run_audit(replace(request, run=run), hint)
        run.journal("verdict", verdict=result.verdict.value, code=int(result.code))
    except DatabaseError as error:
        fail(
            f"the audit could not read PostgreSQL: {str(error).strip()}",
            ExitCode.UNKNOWN,
            fix=fix,
        )
    except (OSError, StoreError) as error:
        fail(
            f"the audit could not keep its ledgers: {str(error).strip()}",
            ExitCode.UNKNOWN,
            fix="bookpayctl doctor",
        )
    return result


def _history(path: Path | None) -> History | None:
    from bookpayctl.load.history import HistoryError, read_history

    if path is None:
        return None
    try:
        with path.open(encoding="utf-8") as lines:
            return read_history(lines)
    except (OSError, HistoryError) as error:
        fail(f"--history {path}: {error}", ExitCode.USAGE)


def register(app: typer.Typer) -> None:
    app.command("audit")(audit)
