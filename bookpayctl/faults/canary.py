"""What a canary's lines say of a cut: what it asked, and what was answered, and when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bookpayctl.targets.witness import HeardLine

KEPT: Final = "kept"
NEW: Final = "new"

# What was answered just before a cut is heard just after its begin: it comes a longer way.
_ON_THE_WAY_SECONDS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the canary; times are the tool's monotonic clock when a line was heard.

    Attributes:
        ended_at: of its answer or its error; None while there is neither.
        answer: in the canary's words; empty where there was none.
    """

    asked_at: float
    ended_at: float | None
    answered: bool
    answer: str = ""


@dataclass(frozen=True, slots=True)
class LinkCut:
    """How one kind of connection fared while it was to be cut.

    Attributes:
        before: answers before the cut.
        asked: questions that were open while it lasted, or broken by it.
        answered: those of them that were answered before its end.
    """

    before: int
    asked: int
    answered: int

    @property
    def is_cut(self) -> bool:
        return self.before > 0 and self.asked > 0 and self.answered == 0


def questions_in(lines: Sequence[HeardLine], connection: str) -> list[Question]:
    """What was asked on one kind of connection, in its order."""
    asked: dict[int, float] = {}
    ended: dict[int, tuple[float, bool, str]] = {}
    for line in lines:
        said = line.document()
        if said.get("connection") != connection:
            continue
        number = int(said["number"])
        if "asked" in said:
            asked[number] = line.at
        else:
            ended[number] = (line.at, "answer" in said, str(said.get("answer", "")))
    return [Question(at, *ended.get(number, (None, False))) for number, at in asked.items()]


def answers_of(lines: Sequence[HeardLine], connection: str) -> list[float]:
    """When each answer was heard."""
    found = questions_in(lines, connection)
    return [one.ended_at for one in found if one.answered and one.ended_at is not None]


def cut_in(
    lines: Sequence[HeardLine], connection: str, cut_from: float, cut_until: float
) -> LinkCut:
    """How a kind of connection fared while it was cut, both times of the tool's monotonic clock."""
    settled = cut_from + _ON_THE_WAY_SECONDS
    found = questions_in(lines, connection)
    open_ones = [one for one in found if _is_open(one, cut_from, settled, cut_until)]
    answered = [
        one for one in found if one.answered and settled < (one.ended_at or 0.0) <= cut_until
    ]
    return LinkCut(
        before=sum(one.answered and (one.ended_at or 0.0) <= cut_from for one in found),
        asked=len(open_ones),
        answered=len(answered),
    )


def _is_open(one: Question, cut_from: float, settled: float, cut_until: float) -> bool:
    """Whether it was under way for a part of the cut that nothing before it can explain."""
    if one.asked_at > cut_until:
        return False
    if one.ended_at is None:
        return True
    if not one.answered:
        return one.ended_at > cut_from
    return one.ended_at > settled
