"""What a canary's lines say of a cut: what it asked, and what was answered, and when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bookpayctl.targets.witness import HeardLine

KEPT: Final = "kept"
NEW: Final = "new"

# What was answered just before a cut is heard just after its begin: it comes a longer way.
ON_THE_WAY_SECONDS: Final = 1.5


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
class ToxicTimes:
    """When a proxy was to do something, by the tool's monotonic clock.

    Attributes:
        ordered_at: just before it was told. What breaks from here on may be its doing: a reset is
            heard of at once, and the proxy's own answer a moment later.
        began_at: when it had answered that it does; nothing passes from here on that is not to.
        ended_at: just before it was told to let everything pass.
    """

    ordered_at: float
    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class LinkCut:
    """How one kind of connection fared while it was to be cut.

    Attributes:
        before: answers before it was ordered.
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


def cut_in(lines: Sequence[HeardLine], connection: str, times: ToxicTimes) -> LinkCut:
    """How a kind of connection fared while it was cut."""
    settled = times.began_at + ON_THE_WAY_SECONDS
    found = questions_in(lines, connection)
    open_ones = [one for one in found if _is_open(one, times, settled)]
    answered = [
        one for one in found if one.answered and settled < (one.ended_at or 0.0) <= times.ended_at
    ]
    return LinkCut(
        before=sum(one.answered and (one.ended_at or 0.0) <= times.ordered_at for one in found),
        asked=len(open_ones),
        answered=len(answered),
    )


def _is_open(one: Question, times: ToxicTimes, settled: float) -> bool:
    """Whether it was under way for a part of the cut that nothing before it can explain."""
    if one.asked_at > times.ended_at:
        return False
    if one.ended_at is None:
        return True
    if not one.answered:
        return one.ended_at > times.ordered_at
    return one.ended_at > settled
