"""One document of each kind that `runs` prints, of values that are fixed and all different."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bookpayctl.cli.output import Document
from bookpayctl.cli.run_documents import pruned, run_difference, run_list, run_shown
from bookpayctl.report.difference import Change, Difference
from bookpayctl.runs.listing import ListedRun, RunState
from bookpayctl.runs.marks import JournalMark, MarkKind
from bookpayctl.runs.pruning import Judged, PrunedRun

_BEGAN_AT: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

ENDED: Final = ListedRun(
    run_id="20261122-120000-outage-3f2a",
    path=Path("/srv/bookpay/golden/runs/20261122-120000-outage-3f2a"),
    state=RunState.ENDED,
    kind="outage",
    began_at=_BEGAN_AT,
    took_seconds=31.5,
    verdict="violated",
    code=1,
    reason="violated",
    faults=("cut postgres",),
    size_bytes=812_000,
)
CUT_SHORT: Final = ListedRun(
    run_id="20261122-110000-check-77c1",
    path=Path("/srv/bookpay/golden/runs/20261122-110000-check-77c1"),
    state=RunState.CUT_SHORT,
    kind="check",
    began_at=_BEGAN_AT.replace(hour=11),
    pending=("delete_consumer_group",),
    size_bytes=3_100,
)
FOREIGN: Final = ListedRun(
    run_id="notes",
    path=Path("/srv/bookpay/golden/runs/notes"),
    state=RunState.FOREIGN,
    size_bytes=12,
    why="no run.json in it",
)
MARKS: Final = (
    JournalMark(_BEGAN_AT, MarkKind.STEP, "begin", "outage", "point=postgres"),
    JournalMark(_BEGAN_AT.replace(second=5), MarkKind.FAULT, "cut", "postgres", "how=hold"),
    JournalMark(_BEGAN_AT.replace(second=15), MarkKind.RECOVERY, "passes", "postgres", ""),
)


def _pruned() -> Document:
    judged = [
        Judged(ENDED, goes=True, why="number 1 of the newest"),
        Judged(CUT_SHORT, goes=False, why="still to be undone: delete_consumer_group"),
    ]
    return pruned(judged, [PrunedRun(ENDED, 812_000)], dry_run=False)


def _difference() -> Document:
    found = Difference(
        verdicts=(Change("I11", "paid orders were charged", "holds", "violated"),),
        examined=(Change("I10", "nobody was charged twice", "12", "40"),),
        facts=(Change("rules", "", "0123456789abcdef", "fedcba9876543210"),),
    )
    return run_difference(CUT_SHORT.run_id, ENDED.run_id, found)


RUN_DOCUMENTS: Final[dict[str, Callable[[], Document]]] = {
    "Run": lambda: run_shown(ENDED, MARKS, ["journal.jsonl", "run.json"]),
    "RunDifference": _difference,
    "RunList": lambda: run_list([ENDED, CUT_SHORT, FOREIGN], total=3),
    "RunsPruned": _pruned,
}
