"""What one question was answered with: a verdict, what was required, what was seen, how much.

A verdict never improves by being combined: the worst one wins, a question whose answer could not
be had is `unknown`, and a question that looked at nothing is `vacuous`. Neither is a pass.
Pure values; exit codes are derived from them in `report`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Verdict(StrEnum):
    """From best to worst for a person reading: the order of `_RANK`, not of the text."""

    HOLDS = "holds"
    SKIPPED = "skipped"
    WARNING = "warning"
    VACUOUS = "vacuous"
    UNKNOWN = "unknown"
    VIOLATED = "violated"


MEANINGS: Final = {
    Verdict.HOLDS: "what is required was found, in at least one thing that was examined",
    Verdict.SKIPPED: "not asked, on purpose, with the reason",
    Verdict.WARNING: "holds today, and something makes it likely not to tomorrow",
    Verdict.VACUOUS: "nothing was there to examine; not a pass",
    Verdict.UNKNOWN: "the question could not be answered, with the reason; not a pass",
    Verdict.VIOLATED: "what is required was found to be untrue, with the evidence",
}

_RANK: Final = {verdict: rank for rank, verdict in enumerate(Verdict)}


SUPPRESSED: Final = "suppressed"


@dataclass(frozen=True, slots=True)
class Item:
    """One question and its answer.

    Attributes:
        id: stable, e.g. `BP-C004` for a check, `I10` for an invariant, `outage/nobody-hung` in a
            drill.
        required: what has to be true, in words an operator can check by hand.
        observed: what was seen instead, or as required.
        examined: how many things were looked at; zero is never a pass.
        evidence: rows, ids and answers that let a stranger verify the observation.
        fix: the command or action to start with when this is not `holds`.
        reason: why it was skipped or could not be evaluated.
        duration_ms: how long the question took to answer.
        controls: names of what is wrong on purpose and turns this question red; empty for one that
            nobody has shown to be able to say no.
        suppressed: until when, and why, a warning or violation does not count; empty where it does.
    """

    id: str
    title: str
    verdict: Verdict
    required: str
    observed: str
    examined: int
    evidence: tuple[str, ...] = ()
    fix: str = ""
    reason: str = ""
    duration_ms: int = 0
    suppressed: str = ""

    def __post_init__(self) -> None:
        """Refuse the answers that would make a green of nothing."""
        if self.verdict is Verdict.HOLDS and self.examined <= 0:
            raise ValueError(f"{self.id} claims to hold but examined nothing; it is vacuous")
        if self.verdict in (Verdict.SKIPPED, Verdict.UNKNOWN) and not self.reason:
            raise ValueError(f"{self.id} is {self.verdict} without a reason")
        if self.suppressed and self.verdict not in (Verdict.WARNING, Verdict.VIOLATED):
            raise ValueError(f"{self.id} is {self.verdict}, which nobody can suppress")

    @property
    def controls(self) -> tuple[str, ...]:
        """See above; they follow from the id."""
        # Not with the module: every command imports this one, and few make an item.
        from bookpayctl.controls.catalogue import controls_of

        return controls_of(self.id)

    @property
    def certified(self) -> bool:
        """Whether the question has a red control, is one itself, or is a page's and not ours."""
        from bookpayctl.controls.catalogue import CONTROL_PREFIX, RUNBOOK_PREFIX

        return bool(self.controls) or self.id.startswith((CONTROL_PREFIX, RUNBOOK_PREFIX))

    @property
    def verdict_told(self) -> str:
        """The verdict in words, with whether it counts."""
        return f"{self.verdict.value}, {SUPPRESSED}" if self.suppressed else self.verdict.value


def worst(verdicts: Iterable[Verdict], *, each_must_answer: bool) -> Verdict:
    """Combine verdicts; nothing at all, or nothing but skips, is vacuous.

    Args:
        each_must_answer: true for a checklist, where one item that looked at nothing spoils the
            whole; false for an audit, where an invariant about refunds is allowed to find none as
            long as something else was examined.
    """
    found = [v for v in verdicts if v is not Verdict.SKIPPED]
    answered = found if each_must_answer else [v for v in found if v is not Verdict.VACUOUS]
    if not answered:
        return Verdict.VACUOUS
    return max(answered, key=_RANK.__getitem__)


def item_of(document: Mapping[str, Any]) -> Item:
    """An item as a report's document has it.

    Raises:
        KeyError, ValueError, TypeError: it is no item.
    """
    return Item(
        id=document["id"],
        title=document["title"],
        verdict=Verdict(document["verdict"]),
        required=document["required"],
        observed=document["observed"],
        examined=int(document["examined"]),
        evidence=tuple(document["evidence"]),
        fix=document["fix"],
        reason=document["reason"],
        duration_ms=int(document["duration_ms"]),
        # A report of an earlier version has none.
        suppressed=str(document.get("suppressed", "")),
    )


def unanswered(item_id: str, title: str, required: str, reason: str) -> Item:
    """The answer to a question that raised: unknown, with the reason, never a pass."""
    return Item(
        id=item_id,
        title=title,
        verdict=Verdict.UNKNOWN,
        required=required,
        observed="could not be evaluated",
        examined=0,
        reason=reason,
    )


def not_asked(item_id: str, title: str, required: str, reason: str) -> Item:
    """A question that was left out on purpose."""
    return Item(
        id=item_id,
        title=title,
        verdict=Verdict.SKIPPED,
        required=required,
        observed="not asked",
        examined=0,
        reason=reason,
    )


def count_by_verdict(items: Iterable[Item]) -> dict[str, int]:
    """How many of each verdict, every verdict named, also those with none.

    What is suppressed is counted apart, under SUPPRESSED, and under no verdict.
    """
    counts = {**{verdict.value: 0 for verdict in Verdict}, SUPPRESSED: 0}
    for item in items:
        counts[SUPPRESSED if item.suppressed else item.verdict.value] += 1
    return counts
