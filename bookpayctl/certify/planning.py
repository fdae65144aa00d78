"""What a certificate asks, in which order, and what its budget leaves out. Pure.

The order is that of the parts: look before anything is disturbed, disturb, and judge last, so that
the audit has to answer for all that was done. What is left out is never silent: each piece that did
not fit is an answer of its own, and one that was required spoils the certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class CertificatePart(StrEnum):
    """Parts in the order in which they are asked."""

    DOCTOR = "doctor"
    CHECK = "check"
    WEBHOOKS = "webhooks"
    DRILLS = "drills"
    REHEARSALS = "rehearsals"
    CONTROLS = "controls"
    AUDIT = "audit"
    REPLAY = "replay"


class Need(IntEnum):
    """What has to give way when time is short: the last goes first."""

    ALWAYS = 0
    """Without it nothing is certified: the questions, and the judgement at the end."""
    REQUIRED = 1
    """The profile promises it."""
    EXTRA = 2
    """Asked where there is time; a certificate is one without it, and names it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that is asked.

    Attributes:
        name: within its part, as its command would have it, e.g. `outage --at kafka`.
        seconds: what it usually takes on two cores.
    """

    part: CertificatePart
    name: str
    seconds: float
    need: Need = Need.REQUIRED

    @property
    def id(self) -> str:
        return f"certify/{self.part.value}/{self.name.replace(' --at ', '/at-')}"

    @property
    def title(self) -> str:
        return (
            self.part.value if self.name == self.part.value else f"{self.part.value}: {self.name}"
        )


@dataclass(frozen=True, slots=True)
class CertificatePlan:
    """What would be asked if everything took as long as usual, and what the budget leaves out."""

    asked: tuple[Piece, ...]
    left_out: tuple[Piece, ...]

    @property
    def seconds(self) -> float:
        return sum(piece.seconds for piece in self.asked)


_ORDER: Final = {part: place for place, part in enumerate(CertificatePart)}


def in_order(pieces: Sequence[Piece]) -> list[Piece]:
    """By part; within a part what is needed more comes first, else as given."""
    return sorted(pieces, key=lambda piece: (_ORDER[piece.part], piece.need))


def fits(piece: Piece, later: Sequence[Piece], seconds_left: float) -> bool:
    """Whether a piece may begin without taking the time of what is needed more.

    Args:
        later: what comes after it.
        seconds_left: of the budget.
    """
    reserved = sum(one.seconds for one in later if one.need < piece.need)
    return piece.seconds + reserved <= seconds_left


def plan(pieces: Sequence[Piece], *, budget_seconds: float) -> CertificatePlan:
    """Go through the pieces as a run would that takes as long as usual."""
    ordered = in_order(pieces)
    asked: list[Piece] = []
    left_out: list[Piece] = []
    spent = 0.0
    for number, piece in enumerate(ordered, start=1):
        if fits(piece, ordered[number:], budget_seconds - spent):
            asked.append(piece)
            spent += piece.seconds
        else:
            left_out.append(piece)
    return CertificatePlan(tuple(asked), tuple(left_out))


def note_of(left_out: Sequence[Piece], asked: int, budget_seconds: float) -> str | None:
    """The sentence a certificate begins with where the budget left something out; else None."""
    if not left_out:
        return None
    required = [piece for piece in left_out if piece.need is not Need.EXTRA]
    names = ", ".join(piece.title for piece in left_out)
    budget = f"the budget of {budget_seconds:g} s left out {len(left_out)} of"
    budget += f" {len(left_out) + asked} pieces"
    if not required:
        return f"{budget}, none of them required: {names}"
    return f"NOT CERTIFIED: {budget}, {len(required)} of them required: {names}"
