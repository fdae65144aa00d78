"""How every judging command shows its report: one document on stdout, files beside it, one code.

The exit code is the report's, whatever the format; a report file that cannot be written does not
change the verdict, but it is not passed over in silence either.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bookpayctl.cli.output import Document, fail, hint, leave, print_line, wants_colour
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report

if TYPE_CHECKING:
    from bookpayctl.report.text import Look


class ReportFormat(StrEnum):
    """What stdout carries."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


FormatOption = Annotated[
    ReportFormat, typer.Option("--output", "-o", help="What is written to stdout.")
]
ReportOption = Annotated[
    list[str] | None,
    typer.Option("--report", metavar="FORMAT=FILE", help="Also write json=F or junit=F."),
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Warnings exit 4.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the evidence also where all is well.")
]


def look_of(*, detailed: bool, fold: str | None = None) -> Look:
    """Colour and symbols for this stdout."""
    from bookpayctl.report.text import Look

    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return Look(
        colour=wants_colour(sys.stdout),
        ascii_only=encoding != "utf8",
        detailed=detailed,
        fold=fold,
    )


def report_files(given: list[str] | None) -> list[tuple[ReportFormat, Path]]:
    """Parse --report before anything is asked; exit 2 when it makes no sense."""
    files = []
    for text in given or []:
        name, _, path = text.partition("=")
        if name not in (ReportFormat.JSON, ReportFormat.JUNIT) or not path:
            fail(f"--report {text!r} must be json=FILE or junit=FILE", ExitCode.USAGE)
        if not Path(path).absolute().parent.is_dir():
            fail(f"--report {text!r}: the folder does not exist", ExitCode.USAGE)
        files.append((ReportFormat(name), Path(path)))
    return files


def render(
    report: Report, output: ReportFormat, *, detailed: bool = False, fold: str | None = None
) -> str:
    """The report in one format, complete."""
    from bookpayctl.report.junit import junit_document
    from bookpayctl.report.text import report_lines

    match output:
        case ReportFormat.TABLE:
            return "\n".join(report_lines(report, look_of(detailed=detailed, fold=fold)))
        case ReportFormat.JSON:
            return Document(report.kind, report.code, report.reason, report.body()).to_json()
        case ReportFormat.JUNIT:
            return junit_document(report)


def write_files(report: Report, files: list[tuple[ReportFormat, Path]]) -> None:
    """The report in its run's folder, and in the files that were asked for."""
    from bookpayctl.runs.directory import REPORT_FILE
    from bookpayctl.runs.files import write_atomically

    if report.run_dir is not None:
        files = [*files, (ReportFormat.JSON, Path(report.run_dir) / REPORT_FILE)]
    for kind, path in files:
        try:
            write_atomically(path, render(report, kind) + "\n")
        except OSError as error:
            hint(f"warning: report {path} could not be written: {error}")


def finish(
    report: Report,
    output: ReportFormat,
    files: list[tuple[ReportFormat, Path]],
    *,
    detailed: bool = False,
    fold: str | None = None,
) -> NoReturn:
    """Print the report, write its files, and end the command with the report's code."""
    write_files(report, files)
    print_line(render(report, output, detailed=detailed, fold=fold))
    leave(report.code)
