"""`verify`: a recorded audit, judged again from its folder."""

from __future__ import annotations

from typing import Annotated

import typer

from bookpayctl.cli.options import NameOption
from bookpayctl.cli.recorded import LATEST, RunArgument, run_folder
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    StrictOption,
    VerboseOption,
    finish,
    report_files,
)


def verify(
    run: RunArgument = LATEST,
    name: NameOption = None,
    with_current_rules: Annotated[
        bool,
        typer.Option(
            "--with-current-rules",
            help="Judge also where the rules have changed since, and say what differs.",
        ),
    ] = False,
    strict: StrictOption = False,
    verbose: VerboseOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Judge the recorded ledgers of a run again, offline, and see that none of it was changed.

    Needs no stack: a folder that was copied from elsewhere is enough. Without a name it is the
    latest run that judged.

    Example: bookpayctl verify 20261129-101500-audit-3f2a
    """
    from bookpayctl.judge.verification import verify as judge_again

    files = report_files(report, output)
    with run_folder(run, name, judged=True) as folder:
        result = judge_again(folder, with_current_rules=with_current_rules, strict=strict)
        finish(result, output, files, detailed=verbose, told_from=folder)


def register(app: typer.Typer) -> None:
    app.command("verify")(verify)
