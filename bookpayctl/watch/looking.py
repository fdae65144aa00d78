"""Taking a look: a part that is down, away or gone is what was seen, never the end of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bookpayctl.runs.listing import RunState, described
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.status import UnknownFact
from bookpayctl.targets.target import Target
from bookpayctl.watch.glance import Glance, RunSeen
from bookpayctl.watch.pace import Pace, PaceError, read_pace

RUNS_SHOWN: Final = 3


def look(target: Target) -> Glance:
    """Ask everybody at once.

    Raises:
        TargetError: the platform itself does not answer.
    """
    environment = target.environment
    with ThreadPoolExecutor(max_workers=1) as pool:
        pace = pool.submit(_pace, environment)
        status = target.status()
        runs = tuple(_unfinished(environment.runs_dir))
        return Glance(datetime.now(UTC), status, pace.result(), runs)


def _pace(environment: Environment) -> Pace | UnknownFact:
    try:
        return read_pace(environment.dsn, captured=environment.captured)
    except PaceError as error:
        return UnknownFact(str(error))


def _unfinished(runs_dir: Path) -> Iterator[RunSeen]:
    """Of the newest runs those that are at work, or were cut short."""
    for path in _newest(runs_dir):
        run = described(path)
        if run.state in (RunState.RUNNING, RunState.CUT_SHORT):
            yield RunSeen(run.run_id, run.kind, run.state.value.replace("_", " "))


def _newest(runs_dir: Path) -> list[Path]:
    dated: list[tuple[float, Path]] = []
    with suppress(FileNotFoundError):
        for path in runs_dir.iterdir():
            # One that is deleted meanwhile is none of the newest.
            with suppress(FileNotFoundError):
                dated.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(dated, reverse=True)[:RUNS_SHOWN]]
