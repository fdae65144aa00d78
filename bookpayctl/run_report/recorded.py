"""The report that a run ended with, and whether the evidence it stands on is still what it was.

A report is told again only after the chain of hashes was followed: what was changed since is an
answer of its own and spoils the verdict. Asks no stack; the folder is enough.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

from bookpayctl.judge.verification import evidence
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.record import RecordError, report_of
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs.directory import JOURNAL_FILE, REPORT_FILE, read_lines
from bookpayctl.runs.listing import STATES, described, verdict_line

REPORT_ID: Final = "V06"


class NoReportError(ValueError):
    """The run has no report that could be told again; the message says why."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


def recorded_report(folder: Path) -> Report:
    """A run's report, with an item for each part of its evidence that is not as it was written.

    Raises:
        NoReportError: there is none, or it is none of a command that judges.
    """
    document = _document(folder)
    if "items" not in document:
        raise NoReportError(
            f"run {folder.name} judged nothing: it ended with a {document.get('kind')}",
            ExitCode.USAGE,
        )
    try:
        report = report_of(document)
    except RecordError as error:
        raise NoReportError(
            f"{REPORT_FILE} of run {folder.name} cannot be believed: {error}", ExitCode.UNKNOWN
        ) from error
    broken = [item for item in evidence(folder) if item.verdict is not Verdict.HOLDS]
    if not broken:
        broken = _contradicted(folder, report)
    return replace(report, items=(*broken, *report.items))


def _document(folder: Path) -> dict[str, object]:
    try:
        document = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        run = described(folder, named=False)
        came_to = f"; its journal says {run.verdict} (exit {run.code})" if run.verdict else ""
        raise NoReportError(
            f"run {folder.name} has no report: {run.why or STATES[run.state]}{came_to}",
            ExitCode.UNKNOWN,
        ) from error
    except (OSError, ValueError) as error:
        raise NoReportError(
            f"{REPORT_FILE} of run {folder.name} cannot be read: {error}", ExitCode.UNKNOWN
        ) from error
    if not isinstance(document, dict):
        raise NoReportError(f"{REPORT_FILE} of run {folder.name} is no report", ExitCode.UNKNOWN)
    return document


def _contradicted(folder: Path, report: Report) -> list[Item]:
    """V06, where the journal, which cannot be changed unseen, ended with another verdict."""
    said = verdict_line(read_lines(folder / JOURNAL_FILE))
    if not said or said.get("verdict") == report.verdict.value:
        return []
    return [
        Item(
            REPORT_ID,
            "the report is the journal's",
            Verdict.VIOLATED,
            "the verdict with which the journal ends",
            f"the journal says {said.get('verdict')}, {REPORT_FILE} {report.verdict.value}",
            1,
        )
    ]
