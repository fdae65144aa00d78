"""Whether a toxic did to a link what it was to do, by what a canary saw through it. Pure.

A proxy that was told is no proof. The canary asks on a connection that it keeps and on new ones;
what it was answered, how soon and how much, before and meanwhile, is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bookpayctl.faults.canary import (
    KEPT,
    NEW,
    ON_THE_WAY_SECONDS,
    Question,
    ToxicTimes,
    cut_in,
    questions_in,
)
from bookpayctl.targets.toxic import Direction, Toxic, Toxicity
from bookpayctl.targets.witness import HeardLine

CUTTING: Final = frozenset({Toxicity.HOLD, Toxicity.BLACK_HOLE, Toxicity.RESET})
"""Under these nothing is answered, whichever connection it is asked on."""

# Under these an answer does not come, rather than late.
_SILENCING: Final = CUTTING | {Toxicity.HALF_OPEN}

# Clocks are read and lines are carried between the two ends: not to the last millisecond.
_ENOUGH: Final = 0.9

_SIZE: Final = re.compile(r"(\d+) bytes")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a canary saw on one kind of connection.

    Attributes:
        told: in words, whether or not it is a proof.
        examined: questions that it rests on.
    """

    is_proof: bool
    told: str
    examined: int


def required_of(toxic: Toxic, connection: str) -> str:
    """What a canary has to see."""
    if _is_shared(toxic, connection):
        which = "some of them" if connection == NEW else "it, all the while or never"
        return f"answered before; of {toxic.share:.0%} of the connections, {which}: {toxic.kind}"
    both = 2 if toxic.direction is Direction.BOTH else 1
    match toxic.kind:
        case Toxicity.LATENCY:
            least = max(0, toxic.delay_ms - toxic.jitter_ms) * both
            uneven = ", not all alike" if toxic.jitter_ms else ""
            return f"answered before in less than half, meanwhile in {least} ms or more{uneven}"
        case Toxicity.BANDWIDTH:
            return f"at most {toxic.bytes_per_second} bytes of an answer in a second, before more"
        case Toxicity.SLICER:
            return f"{toxic.delay_ms} ms between pieces of {toxic.slice_bytes} bytes of an answer"
        case Toxicity.HALF_OPEN if connection == NEW:
            return "answered before, and as well meanwhile"
        case Toxicity.HALF_OPEN:
            return "answered before; meanwhile neither an answer nor an end"
        case _:
            return "asked, and answered before it and never while it lasted"


def seen_of(toxic: Toxic, lines: Sequence[HeardLine], connection: str, times: ToxicTimes) -> Seen:
    """What a canary saw of a toxic on one kind of connection."""
    if _is_shared(toxic, connection):
        return _shared(toxic, lines, connection, times)
    if toxic.kind in CUTTING or (toxic.kind is Toxicity.HALF_OPEN and connection == KEPT):
        return _cut(toxic, lines, connection, times)
    every = questions_in(lines, connection)
    before = [one for one in every if one.answered and (one.ended_at or 0.0) <= times.ordered_at]
    meanwhile = [one for one in every if times.began_at <= one.asked_at <= times.ended_at]
    answered = [
        one for one in meanwhile if one.answered and (one.ended_at or 0.0) <= times.ended_at
    ]
    if not before or not answered:
        told = f"{len(before)} answers before, {len(answered)} of {len(meanwhile)} meanwhile"
        return Seen(False, told, 0)
    if toxic.kind is Toxicity.HALF_OPEN:
        # The last one or two may have been under way when it was over.
        good = len(answered) >= max(1, len(meanwhile) - 2)
        return Seen(good, f"{len(answered)} of {len(meanwhile)} answered", len(meanwhile))
    return _slow(toxic, before, answered)


def _cut(toxic: Toxic, lines: Sequence[HeardLine], connection: str, times: ToxicTimes) -> Seen:
    seen = cut_in(lines, connection, times)
    told = f"{seen.before} answers before, {seen.answered} of {seen.asked} meanwhile"
    ends = [
        one
        for one in questions_in(lines, connection)
        if not one.answered
        and one.ended_at is not None
        and times.ordered_at < one.ended_at <= times.ended_at
    ]
    if toxic.kind is Toxicity.HALF_OPEN and ends:
        return Seen(False, f"{told}; the connection ended, so it was not half open", seen.asked)
    return Seen(seen.is_cut, told, seen.asked)


def _slow(toxic: Toxic, before: Sequence[Question], answered: Sequence[Question]) -> Seen:
    usual = median(map(_seconds, before))
    quickest = min(answered, key=lambda one: _seconds(one) - _least_seconds(toxic, one))
    least = _least_seconds(toxic, quickest)
    told = (
        f"{usual * 1000:.0f} ms before; meanwhile {len(answered)} answers, the quickest after"
        f" {_seconds(quickest) * 1000:.0f} ms"
    )
    if toxic.kind is Toxicity.BANDWIDTH:
        told += f" for {_bytes(quickest)} bytes"
    good = usual < least / 2 and _seconds(quickest) >= _ENOUGH * least
    if toxic.jitter_ms:
        slowest = max(map(_seconds, answered))
        told += f", the slowest after {slowest * 1000:.0f} ms"
        good = good and slowest - _seconds(quickest) >= toxic.jitter_ms / 1000 / 2
    return Seen(good, told, len(answered))


def _is_shared(toxic: Toxic, connection: str) -> bool:
    """Whether it befalls some of them and not others: new ones are never half open."""
    return toxic.share < 1 and not (toxic.kind is Toxicity.HALF_OPEN and connection == NEW)


def _shared(toxic: Toxic, lines: Sequence[HeardLine], connection: str, times: ToxicTimes) -> Seen:
    """Of new connections some are struck and some are not; a kept one is either, to its end."""
    every = questions_in(lines, connection)
    before = [
        one
        for one in every
        if one.answered
        and (one.ended_at or 0.0) <= times.ordered_at
        and (toxic.kind in _SILENCING or _seconds(one) < _least_seconds(toxic, one) / 2)
    ]
    found = [_is_struck(toxic, one, times) for one in every]
    struck, spared = found.count(True), found.count(False)
    told = f"{len(before)} answers before; meanwhile {struck} struck and {spared} not"
    both = struck > 0 and spared > 0
    good = both if connection == NEW else struck + spared > 0 and not both
    return Seen(bool(before) and good, told, struck + spared)


def _is_struck(toxic: Toxic, one: Question, times: ToxicTimes) -> bool | None:
    """Whether a question met the toxic; None where what became of it does not tell."""
    if one.asked_at > times.ended_at:
        return None
    if one.ended_at is None or one.ended_at > times.ended_at:
        silent = times.ended_at - max(one.asked_at, times.began_at)
        return True if toxic.kind in _SILENCING and silent > ON_THE_WAY_SECONDS else None
    if not one.answered:
        return True if toxic.kind in CUTTING and one.ended_at > times.ordered_at else None
    if one.asked_at < times.began_at:
        return None
    if toxic.kind in _SILENCING:
        return False
    least = _least_seconds(toxic, one)
    if _seconds(one) >= _ENOUGH * least:
        return True
    return False if _seconds(one) < least / 2 else None


def _least_seconds(toxic: Toxic, one: Question) -> float:
    """How long a question takes at least under a toxic, for the size of its answer."""
    both = 2 if toxic.direction is Direction.BOTH else 1
    match toxic.kind:
        case Toxicity.LATENCY:
            return both * max(0, toxic.delay_ms - toxic.jitter_ms) / 1000
        case Toxicity.BANDWIDTH:
            return _bytes(one) / toxic.bytes_per_second
        case _:
            return max(0, _bytes(one) // max(1, toxic.slice_bytes) - 1) * toxic.delay_ms / 1000


def _seconds(one: Question) -> float:
    return (one.ended_at or one.asked_at) - one.asked_at


def _bytes(one: Question) -> int:
    found = _SIZE.search(one.answer)
    return int(found[1]) if found else 0
