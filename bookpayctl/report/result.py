"""The answers of one command, and the one exit code they come to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bookpayctl.report import verdict as verdicts
from bookpayctl.report.attempt import Attempt, attempt_document
from bookpayctl.report.exit_code import REASONS, ExitCode, code_of, worst
from bookpayctl.report.verdict import Item, Verdict

# What ends a command before it has seen everything it set out to see.
_CUT_SHORT: Final = (
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    ExitCode.DEADLINE,
    ExitCode.UNKNOWN,
    ExitCode.DIRTY,
)


@dataclass(frozen=True, slots=True)
class Report:
    """The answers of one command, and what else happened while they were got.

    Attributes:
        kind: names the schema of the document, e.g. `CheckReport`.
        context: what was looked at: environment, Stripe, target; shown in every format.
        incidents: codes beyond the items': DIRTY, INTERRUPTED, DEADLINE, REFUSED, and VACUOUS
            where the whole had nothing to look at although some item did.
        reports_lost: reports that were asked for and could not be written, with the reason; the
            verdict is what it is, but without its report it is no pass.
        notes: what has to be known before the first answer is read, a sentence each: what could not
            be asked at all, or only of a part.
        each_must_answer: whether one item that examined nothing spoils the whole.
        attempts: of a command that asks again, each time of asking; else empty.
    """

    kind: str
    context: dict[str, str]
    items: tuple[Item, ...]
    started_at: str
    duration_seconds: float
    each_must_answer: bool
    strict: bool = False
    incidents: tuple[ExitCode, ...] = ()
    reports_lost: tuple[str, ...] = ()
    run_dir: str | None = None
    notes: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of the items, unless the whole did not get to its end.

        A command that refused to begin knows nothing. One that was stopped, or looked at nothing,
        cannot say that all holds, though it may have seen something that does not.
        """
        if ExitCode.REFUSED in self.incidents:
            return Verdict.UNKNOWN
        found = self._of_items()
        if found not in (Verdict.HOLDS, Verdict.WARNING):
            return found
        if any(code in self.incidents for code in _CUT_SHORT):
            return Verdict.UNKNOWN
        return Verdict.VACUOUS if ExitCode.VACUOUS in self.incidents else found

    @property
    def code(self) -> ExitCode:
        """Computed here and nowhere else; every format shows and returns this one."""
        lost = [ExitCode.UNKNOWN] if self.reports_lost else []
        return worst([code_of(self._of_items(), strict=self.strict), *self.incidents, *lost])

    def _of_items(self) -> Verdict:
        return verdicts.worst(
            (item.verdict for item in self.items if not item.suppressed),
            each_must_answer=self.each_must_answer,
        )

    @property
    def reason(self) -> str:
        return REASONS[self.code]

    def body(self) -> dict[str, Any]:
        """JSON-ready, beside apiVersion, kind and exit."""
        return {
            "context": self.context,
            "notes": list(self.notes),
            "verdict": self.verdict.value,
            "started_at": self.started_at,
            "duration_seconds": round(self.duration_seconds, 3),
            "summary": verdicts.count_by_verdict(self.items),
            "items": [item_document(item) for item in self.items],
            "attempts": [attempt_document(attempt) for attempt in self.attempts],
            "reports_lost": list(self.reports_lost),
            "run_dir": self.run_dir,
        }


def item_document(item: Item) -> dict[str, Any]:
    """One item as JSON-ready values; every field is always there."""
    return {
        "id": item.id,
        "title": item.title,
        "verdict": item.verdict.value,
        "required": item.required,
        "observed": item.observed,
        "examined": item.examined,
        "evidence": list(item.evidence),
        "fix": item.fix,
        "reason": item.reason,
        "duration_ms": item.duration_ms,
        "controls": list(item.controls),
        "suppressed": item.suppressed,
    }
