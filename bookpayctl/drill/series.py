"""Several drills, one after another: which are run, and what they come to together.

Each has a run of its own, with its own undo, audit and report; the series is a table of them. The
worst is its verdict. After one that was interrupted, refused or not undone none of the others is
begun, and each says so: what was not run has not been survived.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from bookpayctl.drill.scenario import EVIDENCE_MAX, Drill, DrillRequest
from bookpayctl.report.exit_code import ExitCode, worst
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, count_by_verdict, not_asked, unanswered
from bookpayctl.targets.environment import Environment

Performer = Callable[[Drill, DrillRequest], Report]

# After these the next drill would be refused, or was not wanted any more.
ENDS_A_SERIES: Final = frozenset(
    {ExitCode.DIRTY, ExitCode.REFUSED, ExitCode.INTERRUPTED, ExitCode.TERMINATED}
)

REQUIRED: Final = "the fault is proven, everything is undone, and no answer is red"


@dataclass(frozen=True, slots=True)
class Turn:
    """One drill of a series, at one point.

    Attributes:
        ordinal: which of its repetitions this is, from 1.
        repetitions: how many there are.
    """

    drill: Drill
    request: DrillRequest
    ordinal: int = 1
    repetitions: int = 1

    @property
    def id(self) -> str:
        """Stable for a drill, a point and a repetition, e.g. `outage/at-kafka` or `…-2`."""
        again = f"-{self.ordinal}" if self.repetitions > 1 else ""
        return f"{self.drill.slug}/at-{self.request.point}{again}"

    @property
    def title(self) -> str:
        return f"drill {self.drill.slug} --at {self.request.point} --seed {self.request.seed}"


def turns_of(
    requests: Iterable[tuple[Drill, DrillRequest]], *, every_point: bool, repetitions: int
) -> list[Turn]:
    """The turns of a series: all of it once, then all of it again with the next seed.

    Args:
        every_point: whether each drill strikes wherever it can, or only where its request says.
    """
    chosen = [
        (drill, replace(request, point=point))
        for drill, request in requests
        for point in (drill.points if every_point else (request.point,))
    ]
    return [
        Turn(drill, replace(request, seed=request.seed + n), n + 1, repetitions)
        for n in range(repetitions)
        for drill, request in chosen
    ]


def run_series(
    environment: Environment,
    turns: Sequence[Turn],
    left_out: Sequence[Item],
    perform: Performer,
    observe: Callable[[str], None],
) -> Report:
    """Run the turns in their order, and report what each came to.

    A refusal is the whole's only where it is the first thing that happens: later ones must not
    hide what was found before.

    Args:
        left_out: what is said of drills that were chosen and do not run here.
        perform: runs one drill to its report, also where it is refused.
    """
    began_at, began = datetime.now(UTC), time.monotonic()
    items: list[Item] = []
    incidents: list[ExitCode] = []
    told: dict[tuple[str, str], str] = {}
    ended_by: ExitCode | None = None
    for number, turn in enumerate(turns, start=1):
        if ended_by is not None:
            items.append(_not_begun(turn, ended_by))
            continue
        observe(f"drill {number} of {len(turns)}: {turn.title}")
        began_turn = time.monotonic()
        report = perform(turn.drill, turn.request)
        duration_ms = int((time.monotonic() - began_turn) * 1000)
        items.append(replace(item_of_run(turn, report, told), duration_ms=duration_ms))
        for item in report.items:
            told.setdefault((item.id, item.observed), turn.id)
        observe(f"{turn.title}: {report.verdict.value}")
        grave = [code for code in report.incidents if code in ENDS_A_SERIES]
        incidents += [code for code in grave if code is not ExitCode.REFUSED or number == 1]
        ended_by = worst(grave) if grave else None
    return Report(
        kind="DrillSeriesReport",
        context={
            "environment": environment.name,
            "target": environment.target,
            "stripe": environment.stripe_name,
            "drills": str(len(turns)),
        },
        items=(*items, *left_out),
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - began,
        each_must_answer=True,
        strict=any(turn.request.strict for turn in turns),
        incidents=tuple(incidents),
    )


def item_of_run(
    turn: Turn, report: Report, told: Mapping[tuple[str, str], str] = MappingProxyType({})
) -> Item:
    """What one drill's report comes to, as one answer.

    Args:
        told: answers of earlier drills, by id and what was observed, and whose they were first: an
            audit looks at all orders there are, and tells of what others left, too.
    """
    where = () if report.run_dir is None else (f"run: {report.run_dir}",)
    if ExitCode.REFUSED in report.incidents:
        reason = report.context.get("refused", "its guard refused to begin")
        return replace(unanswered(turn.id, turn.title, REQUIRED, reason), evidence=where)
    verdict, reason = report.verdict, ""
    if verdict is Verdict.UNKNOWN:
        reason = _first_reason(report)
    examined = sum(item.examined for item in report.items)
    return Item(
        id=turn.id,
        title=turn.title,
        verdict=verdict,
        required=REQUIRED,
        observed=_in_numbers(report),
        examined=examined,
        evidence=(*_worst_answers(report, told), *where),
        reason=reason,
        fix="" if verdict is Verdict.HOLDS else _fix(report),
    )


def _not_begun(turn: Turn, after: ExitCode) -> Item:
    reason = f"not begun: the series ended after a drill with exit {int(after)}"
    return unanswered(turn.id, turn.title, REQUIRED, reason)


def left_out_item(slug: str, title: str, reason: str) -> Item:
    """A drill that was chosen by a word for many and cannot be run here."""
    return not_asked(f"{slug}/left-out", title, REQUIRED, reason)


def _in_numbers(report: Report) -> str:
    counts = count_by_verdict(report.items)
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "no answer"


def _worst_answers(report: Report, told: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """The red and the unknown ones, the worst first."""
    for verdict in (Verdict.VIOLATED, Verdict.UNKNOWN, Verdict.WARNING):
        found = [item for item in report.items if item.verdict is verdict]
        if found:
            lines = [_told(item, told) for item in found]
            more = len(lines) - EVIDENCE_MAX
            return (*lines[:EVIDENCE_MAX], *([f"and {more} more"] if more > 0 else []))
    return ()


def _told(item: Item, told: Mapping[tuple[str, str], str]) -> str:
    before = told.get((item.id, item.observed))
    since = f"; the same since {before}" if before else ""
    return f"{item.id} {item.verdict.value}: {item.observed}{since}"


def _first_reason(report: Report) -> str:
    reasons = (item.reason for item in report.items if item.verdict is Verdict.UNKNOWN)
    return next(reasons, f"it ended with exit {int(report.code)} ({report.reason})")


def _fix(report: Report) -> str:
    if ExitCode.DIRTY in report.incidents:
        return "bookpayctl recover"
    return "" if report.run_dir is None else f"bookpayctl report {report.run_dir}"
