"""Runs as they lie on disk: what each was, how it ended, and what it left; broken ones, too.

Reads and never changes anything. Whatever stands in a folder of runs is told: a folder that is no
run is `foreign`, one whose files cannot be understood is `unreadable`, and neither raises.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from bookpayctl.runs.directory import (
    JOURNAL_FILE,
    REPORT_FILE,
    RUN_FILE,
    driver_lives,
    read_lines,
    read_undo,
)
from bookpayctl.runs.marks import faults_of, marks_of, time_of

PRUNED: Final = "pruned"
"""Folder among the runs in which `pruning` keeps what later audits need of runs that are gone."""

LEAVING: Final = ".deleted"
"""How the name ends of a folder that is being deleted; it begins with a dot."""


class RunState(StrEnum):
    """How a run stands."""

    ENDED = "ended"
    RUNNING = "running"
    CUT_SHORT = "cut_short"
    UNREADABLE = "unreadable"
    FOREIGN = "foreign"


STATES: Final = {
    RunState.ENDED: "it has come to its end",
    RunState.RUNNING: "its tool is still at work",
    RunState.CUT_SHORT: "its tool is gone, and it came to no end",
    RunState.UNREADABLE: "a file of it cannot be understood",
    RunState.FOREIGN: "it is no run",
}


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One entry of a folder of runs.

    Attributes:
        run_id: the entry's name.
        kind: what was run: audit, check, a drill's name; empty where nobody knows.
        began_at: UTC; None where nobody knows.
        took_seconds: as its report says; None without one.
        verdict: as its report or its journal says; None where neither gives one.
        code: the exit code that it came to; None where nobody says.
        faults: what it did to the system.
        pending: undo operations that are still open.
        size_bytes: of all files in it.
        why: why it is unreadable or foreign, and empty else.
    """

    run_id: str
    path: Path
    state: RunState
    kind: str = ""
    began_at: datetime | None = None
    took_seconds: float | None = None
    verdict: str | None = None
    code: int | None = None
    reason: str = ""
    faults: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    size_bytes: int = 0
    why: str = ""

    @property
    def is_judged(self) -> bool:
        """Whether it has a report with a verdict; parts of a demo and loads have none."""
        return self.verdict is not None and self.took_seconds is not None


def listed_runs(runs_dir: Path) -> list[ListedRun]:
    """Every entry, newest first; what has no beginning comes last, by name."""
    names = sorted(os.listdir(runs_dir)) if runs_dir.is_dir() else []
    found = [described(runs_dir / name) for name in names if not is_of_pruning(name)]
    dated = [run for run in found if run.began_at is not None]
    undated = [run for run in found if run.began_at is None]
    return [*sorted(dated, key=_age_of, reverse=True), *undated]


def described(path: Path, *, named: bool = True) -> ListedRun:
    """One entry, whatever it is.

    Args:
        named: whether its name has to be the run's id, as among its environment's runs; a copy
            may be called anything.
    """
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISDIR(mode):
            what = "a link" if stat.S_ISLNK(mode) else "no folder"
            return ListedRun(path.name, path, RunState.FOREIGN, why=f"{what}, not a run's folder")
        size_bytes = size_of(path)
        if not (path / RUN_FILE).exists():
            why = f"no {RUN_FILE} in it"
            return ListedRun(path.name, path, RunState.FOREIGN, size_bytes=size_bytes, why=why)
        return _read(path, size_bytes, named=named)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        return ListedRun(path.name, path, RunState.UNREADABLE, size_bytes=_size(path), why=why)


def is_of_pruning(name: str) -> bool:
    """Whether it is what deleting runs keeps, or a run that is just being deleted."""
    return name == PRUNED or (name.startswith(".") and name.endswith(LEAVING))


def matching(names: Iterable[str], text: str) -> list[str]:
    """Which of the names somebody means: that very one, else all that begin with it."""
    known = list(names)
    return [text] if text in known else [name for name in known if text and name.startswith(text)]


def newest(runs: Sequence[ListedRun], *, judged: bool = False) -> ListedRun | None:
    """The run that began last, whether it ended or not; or the last one with a verdict."""
    dated = [run for run in runs if run.began_at is not None and (run.is_judged or not judged)]
    return max(dated, key=_age_of, default=None)


def size_of(path: Path) -> int:
    """Bytes of all files below a folder; links are counted as links and not followed.

    Raises:
        OSError: a part of it cannot be looked at.
    """
    total = 0
    with os.scandir(path) as entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            total += (
                size_of(Path(entry.path))
                if is_folder
                else entry.stat(follow_symlinks=False).st_size
            )
    return total


def _read(path: Path, size_bytes: int, *, named: bool) -> ListedRun:
    """A run's folder as it says of itself.

    Raises:
        OSError, ValueError, KeyError, TypeError: a file of it is not what a run writes.
    """
    document = _object(path / RUN_FILE)
    if named and document["run_id"] != path.name:
        raise ValueError(f"{RUN_FILE} is of run {document['run_id']!r}")
    lines = list(read_lines(path / JOURNAL_FILE))
    report = _object(path / REPORT_FILE) if (path / REPORT_FILE).exists() else {}
    end = report or _last_word(lines)
    state = RunState.ENDED
    if not end:
        state = RunState.RUNNING if driver_lives(document) else RunState.CUT_SHORT
    took = report.get("duration_seconds", report.get("seconds"))
    code = end.get("exit", {}).get("code")
    return ListedRun(
        run_id=str(document["run_id"]),
        path=path,
        state=state,
        kind=str(document["kind"]),
        began_at=time_of(document["began_at"]),
        took_seconds=None if took is None else float(took),
        verdict=end.get("verdict"),
        code=None if code is None else int(code),
        reason=str(end.get("exit", {}).get("reason", "")),
        faults=tuple(faults_of(marks_of(lines))),
        pending=tuple(entry.op for entry in read_undo(path) if not entry.done),
        size_bytes=size_bytes,
    )


def verdict_line(lines: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The line of a journal that says what the run came to, the last one; empty without one."""
    said = [line for line in lines if line.get("event") == "verdict"]
    return said[-1] if said else {}


def _last_word(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the journal says it came to: a drill of a demo has no report of its own."""
    said = verdict_line(lines)
    return {"verdict": said.get("verdict"), "exit": {"code": said["code"]}} if said else {}


def _object(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise TypeError(f"{path.name} is no JSON object")
    return document


def _size(path: Path) -> int:
    try:
        return size_of(path)
    except OSError:
        return 0


def _age_of(run: ListedRun) -> tuple[datetime, str]:
    if run.began_at is None:
        raise ValueError(f"{run.run_id} has no beginning")
    return run.began_at, run.run_id
