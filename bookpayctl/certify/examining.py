"""What `doctor` finds, as answers; and the certificate of a stack that did not come up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.targets.platform import Examination, ExaminationResult

_VERDICTS: Final = {
    ExaminationResult.OK: Verdict.HOLDS,
    ExaminationResult.WARNING: Verdict.WARNING,
    ExaminationResult.FAILED: Verdict.VIOLATED,
    ExaminationResult.UNKNOWN: Verdict.UNKNOWN,
}


def examined_items(findings: Iterable[Examination]) -> tuple[Item, ...]:
    """One answer for each examination."""
    return tuple(
        Item(
            id=f"doctor/{found.subject.replace(' ', '-')}",
            title=found.subject,
            verdict=_VERDICTS[found.result],
            required=found.required,
            observed=found.observed,
            examined=0 if found.result is ExaminationResult.UNKNOWN else 1,
            reason=found.observed if found.result is ExaminationResult.UNKNOWN else "",
            fix=found.fix,
        )
        for found in findings
    )


def not_up_report(
    context: dict[str, str], examined: Sequence[Item], code: ExitCode, began_at: str
) -> Report:
    """A certificate is written also where there was nothing to certify: CI is to see why."""
    reason = f"`up` ended with exit {int(code)}; nothing else was asked"
    item = unanswered("certify/up", "the stack comes up", "every process is ready", reason)
    return Report(
        kind="CertificateReport",
        context=context,
        items=(*examined, item),
        started_at=began_at,
        duration_seconds=0.0,
        each_must_answer=False,
        incidents=(code,),
        notes=("NOT CERTIFIED: the stack did not come up",),
    )
