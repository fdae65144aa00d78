"""Exit codes, and which one wins when several apply.

Pure. The code of a command is computed once, from its result, before any format is chosen: the
same run exits the same with `-o table` and with `-o json`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, assert_never

from bookpayctl import verdicts
from bookpayctl.verdicts import Item, Verdict


class ExitCode(IntEnum):
    """What a caller may conclude from the exit status alone."""

    PASS = 0
    VIOLATED = 1
    USAGE = 2
    UNKNOWN = 3
    WARNINGS = 4
    VACUOUS = 5
    REFUSED = 6
    DIRTY = 7
    DEADLINE = 124
    INTERRUPTED = 130
    TERMINATED = 143


# First wins. USAGE and REFUSED stand before everything was touched, so they never meet the others
# in one run; they are ranked after DIRTY only so that the function is total.
_PRIORITY: Final = (
    ExitCode.DIRTY,
    ExitCode.REFUSED,
    ExitCode.USAGE,
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    ExitCode.VIOLATED,
    ExitCode.UNKNOWN,
    ExitCode.DEADLINE,
    ExitCode.VACUOUS,
    ExitCode.WARNINGS,
    ExitCode.PASS,
)


# What ends a command before it has seen everything it set out to see.
_CUT_SHORT: Final = (
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    ExitCode.DEADLINE,
    ExitCode.UNKNOWN,
    ExitCode.DIRTY,
)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The code that speaks for all of `codes`; PASS when there are none."""
    return min(codes, key=_PRIORITY.index, default=ExitCode.PASS)


def code_of(verdict: Verdict, *, strict: bool = False) -> ExitCode:
    """The exit code of one verdict; a warning only counts when the caller is strict."""
    match verdict:
        case Verdict.HOLDS | Verdict.SKIPPED:
            return ExitCode.PASS
        case Verdict.WARNING:
            return ExitCode.WARNINGS if strict else ExitCode.PASS
        case Verdict.VACUOUS:
            return ExitCode.VACUOUS
        case Verdict.UNKNOWN:
            return ExitCode.UNKNOWN
        case Verdict.VIOLATED:
            return ExitCode.VIOLATED
        case _:
            assert_never(verdict)


@dataclass(frozen=True, slots=True)
class Report:
    """The answers of one command, and what else happened while they were got.

    Attributes:
        kind: names the schema of the document, e.g. `CheckReport`.
        context: what was looked at: environment, Stripe, target; shown in every format.
        incidents: codes beyond the items': DIRTY, INTERRUPTED, DEADLINE, REFUSED, and VACUOUS
            where the whole had nothing to look at although some item did.
        each_must_answer: whether one item that examined nothing spoils the whole.
    """

    kind: str
    context: dict[str, str]
    items: tuple[Item, ...]
    started_at: str
    duration_seconds: float
    each_must_answer: bool
    strict: bool = False
    incidents: tuple[ExitCode, ...] = ()
    run_dir: str | None = None

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
        return worst([code_of(self._of_items(), strict=self.strict), *self.incidents])

    def _of_items(self) -> Verdict:
        return verdicts.worst(
            (item.verdict for item in self.items), each_must_answer=self.each_must_answer
        )

    @property
    def reason(self) -> str:
        return REASONS[self.code]

    def body(self) -> dict[str, Any]:
        """JSON-ready, beside apiVersion, kind and exit."""
        return {
            "context": self.context,
            "verdict": self.verdict.value,
            "started_at": self.started_at,
            "duration_seconds": round(self.duration_seconds, 3),
            "summary": verdicts.count_by_verdict(self.items),
            "items": [item_document(item) for item in self.items],
            "run_dir": self.run_dir,
        }


REASONS: Final = {
    ExitCode.PASS: "all_hold",
    ExitCode.VIOLATED: "violated",
    ExitCode.USAGE: "usage",
    ExitCode.UNKNOWN: "could_not_evaluate",
    ExitCode.WARNINGS: "warnings",
    ExitCode.VACUOUS: "nothing_examined",
    ExitCode.REFUSED: "refused",
    ExitCode.DIRTY: "undo_incomplete",
    ExitCode.DEADLINE: "deadline",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.TERMINATED: "terminated",
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
        "facts": dict(item.facts),
    }
