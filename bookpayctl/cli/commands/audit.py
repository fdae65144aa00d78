"""`audit`: every invariant over the three ledgers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.options import NameOption, environment_of
from bookpayctl.cli.output import fail, hint
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    StrictOption,
    VerboseOption,
    finish,
    report_files,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.judge.rows import History
    from bookpayctl.report.result import Report
    from bookpayctl.targets.environment import Environment


def audit(
    name: NameOption = None,
    age: Annotated[
        str, typer.Option(metavar="DURATION", help="Judge orders at least this old.")
    ] = "10s",
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the ledgers may take to agree.")
    ] = "60s",
    history: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Client history of a load or drill; adds I01 and I02."),
    ] = None,
    strict: StrictOption = False,
    verbose: VerboseOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Prove from PostgreSQL, Kafka and Stripe that nobody was charged twice and nothing is lost.

    Reads only; judges what is older than --age, so the shop may go on selling. What was read stays
    in a run's folder, so that `bookpayctl verify` can judge it again.

    Example: bookpayctl audit --age 30s -o json
    """
    from bookpayctl.cli.durations import duration_of

    files = report_files(report, output, inputs=[history] if history else [])
    age_seconds = duration_of(age, "--age")
    deadline_seconds = duration_of(timeout, "--timeout")
    recorded = _history(history)
    environment = environment_of(name)
    result = _audited(
        environment,
        age_seconds=age_seconds,
        deadline_seconds=deadline_seconds,
        history=recorded,
        strict=strict,
    )
    finish(result, output, files, detailed=verbose)


def _audited(
    environment: Environment,
    *,
    age_seconds: float,
    deadline_seconds: float,
    history: History | None,
    strict: bool,
) -> Report:
    """Audit in a run of its own, or refuse while an earlier run is not recovered."""
    from bookpayctl.clients.database import DatabaseError
    from bookpayctl.judge.audit import AuditRequest
    from bookpayctl.judge.audit import audit as run_audit
    from bookpayctl.judge.ledgers.store import StoreError
    from bookpayctl.runs import directory
    from bookpayctl.session import RefusedError, guard, refused_report

    try:
        guard(environment)
        run = directory.begin(environment.runs_dir, "audit")
        run.journal("begin", age_seconds=age_seconds)
        result = run_audit(
            AuditRequest(
                environment,
                age_seconds=age_seconds,
                deadline_seconds=deadline_seconds,
                history=history,
                strict=strict,
                run=run,
            ),
            hint,
        )
        run.journal("verdict", verdict=result.verdict.value, code=int(result.code))
    except RefusedError as refused:
        return refused_report("AuditReport", environment, refused)
    except DatabaseError as error:
        fail(
            f"the audit could not read PostgreSQL: {str(error).strip()}",
            ExitCode.UNKNOWN,
            fix="bookpayctl status",
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
