"""A report that was kept, as values again: the same verdict and code, or none at all. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any, Final

from bookpayctl.report.attempt import attempt_of
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import item_of

# Codes that only an answer can give; a report that has one without the answer was not printed so.
_OF_ANSWERS: Final = (ExitCode.PASS, ExitCode.VIOLATED, ExitCode.WARNINGS)


class RecordError(ValueError):
    """The document is no report, or contradicts itself; the message says which."""


def report_of(document: Mapping[str, Any]) -> Report:
    """The report that printed a document.

    What a document does not carry (what cut the command short, whether each question had to be
    answered) is found by trying: the report has to come to the verdict and the code it gives.

    Raises:
        RecordError: it is no report, or its answers do not come to what it says.
    """
    try:
        code = ExitCode(document["exit"]["code"])
        items = tuple(item_of(item) for item in document["items"])
        wanted = (document["verdict"], code)
        happened = [(), *([] if code in _OF_ANSWERS else [(code,)])]
        for each_must_answer, incidents in product((False, True), happened):
            report = Report(
                kind=str(document["kind"]),
                context={str(k): str(v) for k, v in document["context"].items()},
                items=items,
                started_at=str(document["started_at"]),
                duration_seconds=float(document["duration_seconds"]),
                each_must_answer=each_must_answer,
                strict=code is ExitCode.WARNINGS,
                incidents=incidents,
                reports_lost=tuple(map(str, document["reports_lost"])),
                run_dir=document["run_dir"],
                notes=tuple(map(str, document.get("notes", ()))),
                attempts=tuple(map(attempt_of, document.get("attempts", ()))),
            )
            if (report.verdict.value, report.code) == wanted:
                return report
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"it is no report: {type(error).__name__}: {error}") from error
    raise RecordError(
        f"its answers do not come to verdict {document['verdict']!r} and exit {int(code)}"
    )
