"""`replay`: read orders.placed again with a new group, and count that nobody pays."""

from __future__ import annotations

from typing import Annotated

import typer

from bookpayctl.cli.options import NameOption, environment_of
from bookpayctl.cli.output import fail
from bookpayctl.cli.reports import (
    EvidenceOption,
    FormatOption,
    ReportFormat,
    ReportOption,
    finish,
    report_files,
)
from bookpayctl.report.exit_code import ExitCode


def replay(
    name: NameOption = None,
    start: Annotated[str, typer.Option("--from", help="Where to begin: earliest.")] = "earliest",
    max_records: Annotated[
        int | None, typer.Option(min=1, help="About so many of the newest; default: all.")
    ] = None,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long reading may take.")
    ] = "5m",
    verbose: EvidenceOption = True,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Reprocess orders.placed through the real worker with a new consumer group.

    Nothing may be charged: executions at Stripe, calls in our journal and payments are counted
    before and after. The group is deleted at the end.

    Example: bookpayctl replay --max-records 100
    """
    from bookpayctl.checks import replay_charges_nobody
    from bookpayctl.cli.commands.check import run_all
    from bookpayctl.cli.durations import duration_of

    if start != "earliest":
        fail(f"--from {start!r}: only earliest is offered", ExitCode.USAGE)
    files = report_files(report, output)
    deadline_seconds = duration_of(timeout, "--timeout")
    result = run_all(
        environment_of(name),
        [replay_charges_nobody.CHECK],
        [],
        deadline_seconds=deadline_seconds,
        records_max=max_records,
        strict=False,
    )
    finish(result, output, files, detailed=verbose)


def register(app: typer.Typer) -> None:
    app.command("replay")(replay)
