"""Questions that are asked again until they hold: each attempt with what it was told. Pure.

A check that holds at the third attempt is not one that held. So nothing of the attempts before is
lost: they are in the report beside the answers, and an answer that changed says so itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bookpayctl.report.verdict import Item, Verdict


@dataclass(frozen=True, slots=True)
class AttemptAnswer:
    """What one question was answered with in one attempt."""

    id: str
    verdict: Verdict
    observed: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.verdict.value}: {self.reason or self.observed}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time of asking.

    Attributes:
        number: from 1.
        began_at: ISO 8601, UTC.
        answers: of what was asked, in the order of asking: after the first attempt, what did not
            hold before.
    """

    number: int
    began_at: str
    answers: tuple[AttemptAnswer, ...] = ()

    def with_answer(self, item: Item) -> Attempt:
        """The same with one answer more."""
        answer = AttemptAnswer(item.id, item.verdict, item.observed, item.reason)
        return replace(self, answers=(*self.answers, answer))

    def answer_of(self, item_id: str) -> AttemptAnswer | None:
        return next((answer for answer in self.answers if answer.id == item_id), None)


def is_settled(item: Item, *, strict: bool) -> bool:
    """Whether there is nothing to wait for: it holds, was left out, or does not count.

    A warning counts where the caller is strict; elsewhere a standing one would use up the time.
    """
    good = (Verdict.HOLDS, Verdict.SKIPPED, *(() if strict else (Verdict.WARNING,)))
    return item.verdict in good or bool(item.suppressed)


def with_attempts(item: Item, attempts: Sequence[Attempt]) -> Item:
    """The last answer to a question, with what the attempts before it were told.

    An answer that stayed the same is told once, with the attempts from first to last.
    """
    asked = [(one, answer) for one in attempts if (answer := one.answer_of(item.id))]
    if len(asked) < 2:
        return item
    lines: list[str] = []
    for place, (one, answer) in enumerate(asked):
        if place == 0 or str(asked[place - 1][1]) != str(answer):
            lines.append(f"attempt {one.number} at {one.began_at}: {answer}")
    number, first = asked[-1][0].number, asked[0][1]
    observed = f"{item.observed} (attempt {number}; attempt 1 was {first.verdict.value})"
    return replace(item, observed=observed, evidence=(*item.evidence, *lines))


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    """One attempt as JSON-ready values."""
    return {
        "number": attempt.number,
        "began_at": attempt.began_at,
        "answers": [
            {
                "id": answer.id,
                "verdict": answer.verdict.value,
                "observed": answer.observed,
                "reason": answer.reason,
            }
            for answer in attempt.answers
        ],
    }


def attempt_of(document: Mapping[str, Any]) -> Attempt:
    """An attempt as a report's document has it.

    Raises:
        KeyError, ValueError, TypeError: it is none.
    """
    answers = (
        AttemptAnswer(
            str(one["id"]), Verdict(one["verdict"]), str(one["observed"]), str(one["reason"])
        )
        for one in document["answers"]
    )
    return Attempt(int(document["number"]), str(document["began_at"]), tuple(answers))
