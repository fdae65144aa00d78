"""Which runs may be deleted, and how: nothing that is owed, nothing that lives, nothing unknown.

What a run made on purpose (its probes) is left out of every later audit by its ids. Those are kept
when the run goes, in a folder that readers of runs find like any other; otherwise the next audit
would call the tool's own orders a customer's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bookpayctl.runs.directory import PROBES_FILE
from bookpayctl.runs.listing import (
    LEAVING,
    PRUNED,
    STATES,
    ListedRun,
    RunState,
    described,
    is_of_pruning,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One run and whether it goes; `why` in words either way."""

    run: ListedRun
    goes: bool
    why: str


@dataclass(frozen=True, slots=True)
class PrunedRun:
    """What became of one that was to go: bytes that it freed, or why it is still there."""

    run: ListedRun
    freed_bytes: int
    error: str = ""


def chosen(
    runs: Sequence[ListedRun], *, now: datetime, keep: int | None, older_than_seconds: float | None
) -> list[Judged]:
    """Decide of each run, newest first. Of two limits both have to be passed.

    Args:
        runs: newest first.
        keep: how many of the newest stay, whatever their age; None: no such limit.
        older_than_seconds: what is younger stays; None: no such limit.
    """
    judged = []
    place = 0
    for run in runs:
        place += run.began_at is not None
        why = _why_it_stays(run) or _within(run, place, now, keep, older_than_seconds)
        judged.append(Judged(run, goes=not why, why=why or _past(place, keep, older_than_seconds)))
    return judged


def delete(run: ListedRun, runs_dir: Path) -> PrunedRun:
    """Delete a run's folder, once it was looked at again.

    Its probes are on disk elsewhere before anything goes. The folder first gets a name of which no
    run is known, so that one that is deleted in part passes for none; links in it are deleted, and
    what they lead to is not touched.
    """
    path = runs_dir / run.run_id
    now_there = described(path)
    reason = _why_it_stays(now_there)
    if reason:
        return PrunedRun(run, 0, reason)
    try:
        _keep_probes(path, runs_dir / PRUNED)
        leaving = runs_dir / f".{run.run_id}{LEAVING}"
        path.rename(leaving)
        shutil.rmtree(leaving)
    except OSError as error:
        return PrunedRun(run, 0, f"{error.strerror or error}: {error.filename or path}")
    return PrunedRun(run, now_there.size_bytes)


def finish_deleting(runs_dir: Path) -> None:
    """Delete what an earlier call had begun to delete when it was killed.

    Raises:
        OSError: it cannot be deleted.
    """
    for path in sorted(runs_dir.iterdir()) if runs_dir.is_dir() else []:
        if path.name != PRUNED and is_of_pruning(path.name) and not path.is_symlink():
            shutil.rmtree(path)


def _why_it_stays(run: ListedRun) -> str:
    """Why a run must not be deleted whatever was asked for; empty when it may be."""
    if run.state in (RunState.RUNNING, RunState.UNREADABLE, RunState.FOREIGN):
        return f"{STATES[run.state]}: {run.why}" if run.why else STATES[run.state]
    if run.pending:
        return f"still to be undone: {', '.join(run.pending)}; `bookpayctl recover`"
    return ""


def _within(
    run: ListedRun, place: int, now: datetime, keep: int | None, older_than_seconds: float | None
) -> str:
    if keep is not None and place <= keep:
        return f"one of the newest {keep}"
    if older_than_seconds is None:
        return ""
    young = run.began_at is None or now - run.began_at < timedelta(seconds=older_than_seconds)
    return "not old enough" if young else ""


def _past(place: int, keep: int | None, older_than_seconds: float | None) -> str:
    parts = [] if keep is None else [f"number {place} of the newest"]
    return " and ".join([*parts, *([] if older_than_seconds is None else ["old enough"])])


def _keep_probes(path: Path, kept: Path) -> None:
    """Append the run's whole lines of probes to those of earlier ones, durably."""
    probes = path / PROBES_FILE
    text = probes.read_bytes() if probes.is_file() else b""
    whole = text[: text.rfind(b"\n") + 1]
    if not whole:
        return
    kept.mkdir(exist_ok=True)
    with (kept / PROBES_FILE).open("ab") as file:
        file.write(whole)
        file.flush()
        os.fsync(file.fileno())
