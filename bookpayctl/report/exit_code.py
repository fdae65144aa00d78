"""Exit codes, and which one wins when several apply.

Pure. The code of a command is computed once, from its result, before any format is chosen: the
same run exits the same with `-o table` and with `-o json`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, assert_never

from bookpayctl.report.verdict import Verdict


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

MEANINGS: Final = {
    ExitCode.PASS: "everything asked was examined and holds",
    ExitCode.VIOLATED: "something that must be true is not; the evidence names it",
    ExitCode.USAGE: "a wrong argument or setting; nothing was touched",
    ExitCode.UNKNOWN: "a question could not be answered, or a fault could not be proven to have"
    " landed, or a report that was asked for could not be written: nobody is acquitted",
    ExitCode.WARNINGS: "all holds, with warnings, and `--strict` was given",
    ExitCode.VACUOUS: "nothing was there to examine, so nothing was shown",
    ExitCode.REFUSED: "a guard refused to begin, or an earlier run is not undone (`recover`)",
    ExitCode.DIRTY: "what the command had changed could not all be undone (`recover`)",
    ExitCode.DEADLINE: "a wait reached its deadline",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C, after undoing",
    ExitCode.TERMINATED: "stopped by SIGTERM or SIGHUP, after undoing",
}
