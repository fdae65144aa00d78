"""`report`: what a run came to, told again from its folder in any format."""

from __future__ import annotations

from typing import Annotated

import typer

from bookpayctl.cli.options import NameOption
from bookpayctl.cli.output import fail
from bookpayctl.cli.recorded import LATEST, RunArgument, run_folder
from bookpayctl.cli.reports import (
    ReportFormat,
    ReportOption,
    VerboseOption,
    finish,
    report_files,
)


def report(
    run: RunArgument = LATEST,
    name: NameOption = None,
    verbose: VerboseOption = False,
    output: Annotated[
        ReportFormat,
        typer.Option("--output", "--format", "-o", help="What is written to stdout."),
    ] = ReportFormat.TABLE,
    files: ReportOption = None,
) -> None:
    """The report of a run, from what it left on disk; exits as the run did.

    Needs no stack. What it left is followed by its hashes first: a run of which something was
    changed since exits 1, one of which something is missing 3. Without a name it is the latest.

    Example: bookpayctl report 20261129-101500-audit-3f2a --report html=audit.html
    """
    from bookpayctl.run_report.recorded import NoReportError, recorded_report
    from bookpayctl.runs.directory import REPORT_FILE

    with run_folder(run, name, judged=True) as folder:
        places = report_files(files, output, inputs=[folder / REPORT_FILE])
        try:
            found = recorded_report(folder)
        except NoReportError as error:
            fail(str(error), error.code, fix=f"bookpayctl runs show {run}")
        finish(found, output, places, detailed=verbose, told_from=folder)


def register(app: typer.Typer) -> None:
    app.command("report")(report)
