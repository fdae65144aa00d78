"""What a run's journal tells: which fault struck when, what put it back, and what went wrong.

Pure. A line that is not understood is told as it is and is never a fault; the journal is somebody's
file, and nothing in it is believed to have a shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final


class MarkKind(StrEnum):
    """What a line of the journal is to the system it speaks of."""

    FAULT = "fault"
    RECOVERY = "recovery"
    TROUBLE = "trouble"
    STEP = "step"


# Each event of a journal: what it is, and the field that names what it was done to.
EVENTS: Final[Mapping[str, tuple[MarkKind, str]]] = {
    "begin": (MarkKind.STEP, "drill"),
    "injecting": (MarkKind.FAULT, "point"),
    "injected": (MarkKind.STEP, "point"),
    "hit": (MarkKind.FAULT, "process"),
    "killed": (MarkKind.FAULT, "process"),
    "striking": (MarkKind.FAULT, "what"),
    "struck": (MarkKind.STEP, "what"),
    "proven": (MarkKind.STEP, "what"),
    "unproven": (MarkKind.TROUBLE, "what"),
    "storm": (MarkKind.STEP, "event"),
    "healed": (MarkKind.RECOVERY, "faults"),
    "heal_failed": (MarkKind.TROUBLE, "error"),
    "recovered": (MarkKind.STEP, "kind"),
    "seen": (MarkKind.STEP, "orders"),
    "core_left": (MarkKind.STEP, "stopped"),
    "cut": (MarkKind.FAULT, "service"),
    "toxic_set": (MarkKind.FAULT, "link"),
    "deleted": (MarkKind.FAULT, "process"),
    "cordoned": (MarkKind.FAULT, "node"),
    "rolled": (MarkKind.FAULT, "service"),
    "paused": (MarkKind.STEP, "before"),
    "resumed": (MarkKind.STEP, "before"),
    "kept": (MarkKind.STEP, "promises"),
    "cancelled": (MarkKind.STEP, "orders"),
    "poisoning": (MarkKind.STEP, "event_id"),
    "poisoned": (MarkKind.FAULT, "fault"),
    "held": (MarkKind.FAULT, "fault"),
    "terminated": (MarkKind.FAULT, "fault"),
    "raced": (MarkKind.FAULT, "fault"),
    "taken_away": (MarkKind.FAULT, "topic"),
    "produced_again": (MarkKind.FAULT, "times"),
    "rotated": (MarkKind.FAULT, "secrets"),
    "refunded_outside": (MarkKind.FAULT, "payment_intent"),
    "diverted": (MarkKind.STEP, "service"),
    "link_diverted": (MarkKind.STEP, "link"),
    "passes": (MarkKind.RECOVERY, "service"),
    "toxic_ended": (MarkKind.RECOVERY, "link"),
    "uncordoned": (MarkKind.RECOVERY, "node"),
    "promoted": (MarkKind.RECOVERY, "timeline"),
    "undone": (MarkKind.RECOVERY, "op"),
    "undo_failed": (MarkKind.TROUBLE, "op"),
    "raised": (MarkKind.TROUBLE, "error"),
    "refused": (MarkKind.TROUBLE, "reason"),
    "target_mute": (MarkKind.TROUBLE, "error"),
    "check_raised": (MarkKind.TROUBLE, "id"),
    "case_raised": (MarkKind.TROUBLE, "id"),
    "stopped": (MarkKind.TROUBLE, "signal"),
    "check": (MarkKind.STEP, "id"),
    "question": (MarkKind.STEP, "id"),
    "item": (MarkKind.STEP, "id"),
    "read": (MarkKind.STEP, "records"),
    "sent": (MarkKind.STEP, "records"),
    "part": (MarkKind.STEP, "title"),
    "piece": (MarkKind.STEP, "piece"),
    "left_out": (MarkKind.STEP, "piece"),
    "probe_placed": (MarkKind.STEP, "order_id"),
    "payment_failed_sent": (MarkKind.STEP, "order_id"),
    "webhook_answered": (MarkKind.STEP, "event_id"),
    "ledgers_kept": (MarkKind.STEP, "sha256"),
    "runbook": (MarkKind.STEP, "slug"),
    "step_typed": (MarkKind.STEP, "command"),
    "step_answered": (MarkKind.STEP, "verdict"),
    "step_skipped": (MarkKind.STEP, "reason"),
    "step_overdue": (MarkKind.TROUBLE, "reason"),
    "step_impossible": (MarkKind.TROUBLE, "reason"),
    "verdict": (MarkKind.STEP, "verdict"),
}

# Events between which a fault lasted, and the field by which they belong together.
_PAIRS: Final = (
    ("cut", "passes", "service"),
    ("toxic_set", "toxic_ended", "link"),
    ("cordoned", "uncordoned", "node"),
    ("striking", "struck", "what"),
)

# Said by the drill of the whole; where a line names what was struck, that line counts.
_OF_THE_WHOLE: Final = ("injecting", "injected")

NAMED_MAX: Final = 2
"""So many different targets of one kind of fault are named; of more, only how many."""


@dataclass(frozen=True, slots=True)
class JournalMark:
    """One line of a journal.

    Attributes:
        at: aware, UTC.
        subject: what it was done to; empty where the line does not say.
        detail: the line's other fields, as `name=value`.
    """

    at: datetime
    kind: MarkKind
    event: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a fault lasted, and which."""

    began_at: datetime
    ended_at: datetime
    words: str


def marks_of(lines: Iterable[Mapping[str, Any]]) -> list[JournalMark]:
    """The journal in its order, without lines that have no time a clock shows."""
    found = []
    for line in lines:
        at = time_of(line.get("at"))
        if at is not None:
            event = str(line.get("event", ""))
            kind, field = EVENTS.get(event, (MarkKind.STEP, ""))
            rest = (f"{k}={v}" for k, v in line.items() if k not in _PLUMBING and k != field)
            found.append(JournalMark(at, kind, event, str(line.get(field, "")), " ".join(rest)))
    return found


_PLUMBING: Final = frozenset({"at", "event", "previous"})


def spans_of(lines: Sequence[Mapping[str, Any]]) -> list[Span]:
    """The times in which faults lasted, where two lines or a line's own seconds tell them.

    While a drill injects, a fault lasts; where something within that time is told more exactly,
    that counts instead.
    """
    exact = [span for line in lines if (span := _until_back(line)) is not None]
    for begin, end, field in _PAIRS:
        exact += _between(lines, begin, end, field)
    rough = [
        span
        for span in _between(lines, *_OF_THE_WHOLE, "point")
        if not any(span.began_at <= o.began_at and o.ended_at <= span.ended_at for o in exact)
    ]
    return sorted([*exact, *rough], key=lambda span: (span.began_at, span.words))


def _between(lines: Sequence[Mapping[str, Any]], begin: str, end: str, field: str) -> list[Span]:
    found, open_since = [], dict[str, datetime]()
    for line in lines:
        at, subject = time_of(line.get("at")), str(line.get(field, ""))
        if at is not None and line.get("event") == begin:
            open_since.setdefault(subject, at)
        elif at is not None and line.get("event") == end and subject in open_since:
            found.append(Span(open_since.pop(subject), at, f"{begin} {subject}".strip()))
    return found


def faults_of(marks: Iterable[JournalMark]) -> list[str]:
    """What was done to the system, each kind once: `cut postgres`, `killed 14 processes`."""
    every = list(marks)
    struck = [m for m in every if m.kind is MarkKind.FAULT and m.event not in _OF_THE_WHOLE]
    if not struck:
        points = dict.fromkeys(m.subject for m in every if m.event in _OF_THE_WHOLE)
        return [f"injected {point}".strip() for point in points]
    subjects: dict[str, list[str]] = {}
    for mark in struck:
        subjects.setdefault(mark.event, []).append(mark.subject)
    return [_counted(event, names) for event, names in subjects.items()]


def time_of(value: object) -> datetime | None:
    """A time as journals write it, UTC; None for what is none."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _until_back(line: Mapping[str, Any]) -> Span | None:
    """Of a kill, which is written down when the successor runs: from the kill until then."""
    at, seconds = time_of(line.get("at")), line.get("back_seconds")
    if at is None or line.get("event") != "killed" or not isinstance(seconds, int | float):
        return None
    return Span(at - timedelta(seconds=seconds), at, f"killed {line.get('process', '')}".strip())


def _counted(event: str, names: Sequence[str]) -> str:
    different = list(dict.fromkeys(names))
    if len(different) > NAMED_MAX:
        return f"{event} {len(names)} times"
    times = f" {len(names)} times" if len(names) > len(different) else ""
    return f"{event} {', '.join(different)}{times}".strip()
