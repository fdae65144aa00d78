"""How every judging command shows its report: one document on stdout, files beside it, one code.

The exit code is the report's, whatever the format. A report file that could not be written does not
change the verdict, but it was asked for and is not there: that is exit 3 where it would have been
less, and stdout and the other files say so.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from bookpayctl.cli.output import (
    WORK_DONE,
    Document,
    did,
    fail,
    hint,
    leave,
    print_line,
    wants_colour,
)
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report

if TYPE_CHECKING:
    from bookpayctl.report.text import Look
    from bookpayctl.runs.destinations import Destination


class ReportFormat(StrEnum):
    """What stdout carries."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"
    MARKDOWN = "markdown"
    HTML = "html"


FILE_FORMATS: Final = tuple(kind for kind in ReportFormat if kind is not ReportFormat.TABLE)
"""What a report beside stdout may be; a table is for a screen."""

FormatOption = Annotated[
    ReportFormat, typer.Option("--output", "-o", help="What is written to stdout.")
]
ReportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--report", metavar="FORMAT=FILE", help="Also write json=F, junit=F, markdown=F or html=F."
    ),
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Warnings exit 4.")]
SelftestOption = Annotated[
    bool,
    typer.Option("--selftest", help="Ask what is wrong on purpose: each question must say no."),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the evidence also where all is well.")
]
EvidenceOption = Annotated[
    bool,
    typer.Option(
        "--verbose/--brief", "-v", help="Whether to show evidence also where all is well."
    ),
]


def planned_form(option: str, output: ReportFormat) -> None:
    """What is planned, and not judged, is a table or a document; exit 2 where another is asked."""
    if output not in (ReportFormat.TABLE, ReportFormat.JSON):
        fail(f"{option} has no form as {output.value}; nothing was judged", ExitCode.USAGE)


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


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One report beside the one on stdout: in which format, and where."""

    format: ReportFormat
    place: Destination


def report_files(
    given: list[str] | None, output: ReportFormat, *, inputs: Sequence[Path] = ()
) -> list[ReportFile]:
    """Parse --report and see that each can be written, before anything else; else exit 2.

    Args:
        output: what stdout carries; a report must not come into the middle of a document there.
        inputs: files the command reads, which no report may overwrite.
    """
    from bookpayctl.runs.destinations import DestinationError, destination, doubled

    files = []
    for text in given or []:
        name, _, path = text.partition("=")
        if name not in FILE_FORMATS or not path:
            known = ", ".join(f"{kind.value}=FILE" for kind in FILE_FORMATS)
            fail(f"--report {text!r} must be one of {known}", ExitCode.USAGE)
        try:
            place = destination(path)
        except DestinationError as error:
            fail(f"--report {text!r} cannot be written: {error}", ExitCode.USAGE)
        reason = _not_here(place, output, inputs)
        if reason is not None:
            fail(f"--report {text!r}: {reason}", ExitCode.USAGE)
        files.append(ReportFile(ReportFormat(name), place))
    twice = doubled([file.place for file in files])
    if twice is not None:
        fail(f"two reports go to {twice.path}; give each its own file", ExitCode.USAGE)
    return files


def _not_here(place: Destination, output: ReportFormat, inputs: Sequence[Path]) -> str | None:
    """Why this place must not be written to, although it could; None when it may be."""
    from bookpayctl.cli.options import config_path
    from bookpayctl.targets.environment import is_within_an_environment

    if place.descriptor is not None:
        stream = sys.stdout if place.descriptor == 1 else sys.stderr
        if getattr(stream, "lost", None):
            return f"it is this command's own stream, and {getattr(stream, 'lost', '')}"
        if place.descriptor == 1 and output is not ReportFormat.TABLE:
            return f"stdout carries the document of -o {output.value} already"
    if is_within_an_environment(place.real):
        return "it is in the folder of an environment, which is the environment's own"
    for own in (*inputs, config_path()):
        if place.real == own.resolve():
            return f"it is {own}, which this command reads"
    return None


def render(
    report: Report,
    output: ReportFormat,
    *,
    detailed: bool = False,
    fold: str | None = None,
    folder: Path | None = None,
) -> str:
    """The report in one format, complete.

    Args:
        folder: of the run whose course a page shows; None: where the report says.
    """
    from bookpayctl.report.junit import junit_document
    from bookpayctl.report.markdown import markdown_document
    from bookpayctl.report.text import report_lines

    match output:
        case ReportFormat.TABLE:
            return "\n".join(report_lines(report, look_of(detailed=detailed, fold=fold)))
        case ReportFormat.JSON:
            return Document(report.kind, report.code, report.reason, report.body()).to_json()
        case ReportFormat.JUNIT:
            return junit_document(report)
        case ReportFormat.MARKDOWN:
            return markdown_document(report).rstrip("\n")
        case ReportFormat.HTML:
            from bookpayctl.run_report.page import html_page
            from bookpayctl.run_report.view import view_of

            own = None if report.run_dir is None else Path(report.run_dir)
            return html_page(view_of(report, folder or own)).rstrip("\n")


def write_files(
    report: Report, files: Sequence[ReportFile], *, told_from: Path | None = None
) -> Report:
    """Write the report into its run's folder and wherever it was asked for.

    Args:
        told_from: the folder of a run that it was made from, and that stays as it is.

    Returns:
        The report as it is to be shown: with what could not be written, and the code of that. All
        files say the same as stdout; those that were written before another failed, written again.
    """
    # What cannot be taken back comes last.
    from bookpayctl.runs.destinations import DestinationKind

    ordered = sorted(files, key=lambda file: file.place.kind is not DestinationKind.FILE)
    if report.run_dir is not None and told_from is None:
        ordered = [_in_the_run(Path(report.run_dir)), *ordered]
    written: list[ReportFile] = []
    for file in ordered:
        error = _written(report, file, told_from)
        if error is None:
            written.append(file)
            continue
        lost = f"{file.place.path}: {error.strerror or error}"
        hint(f"error: report {lost}; it was asked for and is not there")
        report = replace(report, reports_lost=(*report.reports_lost, lost))
        for earlier in written:
            if earlier.place.kind is not DestinationKind.FILE:
                continue
            if _written(report, earlier, told_from):
                hint(f"error: report {earlier.place.path} does not say that another is missing")
    return report


def _in_the_run(run_dir: Path) -> ReportFile:
    from bookpayctl.runs.destinations import Destination, DestinationKind
    from bookpayctl.runs.directory import REPORT_FILE

    path = run_dir / REPORT_FILE
    place = Destination(path, DestinationKind.FILE, path, ("file", str(path)))
    return ReportFile(ReportFormat.JSON, place)


def _written(report: Report, file: ReportFile, folder: Path | None) -> OSError | None:
    """Write one; why it could not be."""
    from bookpayctl.runs.destinations import deliver

    # Behind what this process has printed before, where it goes to one of its own streams.
    sys.stdout.flush()
    try:
        deliver(file.place, render(report, file.format, folder=folder) + "\n")
    except OSError as error:
        return error
    return None


def finish(
    report: Report,
    output: ReportFormat,
    files: Sequence[ReportFile],
    *,
    detailed: bool = False,
    fold: str | None = None,
    told_from: Path | None = None,
) -> NoReturn:
    """Write the report's files, print it, and end the command with the report's code."""
    told(report)
    report = write_files(report, files, told_from=told_from)
    print_line(render(report, output, detailed=detailed, fold=fold, folder=told_from))
    leave(report.code)


def told(report: Report) -> None:
    """Note what the report comes to, for a stdout that does not take it."""
    WORK_DONE.answer_is_the_work = True
    where = f"; evidence: {report.run_dir}" if report.run_dir else ""
    did(f"verdict {report.verdict.value}, exit {int(report.code)} ({report.reason}){where}")
