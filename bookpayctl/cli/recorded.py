"""RUN as commands take it: an id, the beginning of one, `latest`, a folder, or a tar file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from bookpayctl.cli.options import recorded_environment
from bookpayctl.cli.output import fail
from bookpayctl.report.exit_code import ExitCode

LATEST: Final = "latest"

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's id or its beginning, `latest`, its folder, or a tar of it."
    ),
]


@contextmanager
def run_folder(run: str, name: str | None, *, judged: bool = False) -> Iterator[Path]:
    """The run's folder; exit 2 where there is none, or more than one.

    A path counts before an id, but for `latest`: `./latest` is a folder of that name. Asks no
    stack, only what the environment wrote down.

    Args:
        judged: `latest` is the last one with a report; the last to begin may be a part of a demo.
    """
    path = Path(run)
    if run != LATEST and path.is_file():
        with tempfile.TemporaryDirectory(prefix="bookpay-run-") as scratch:
            yield _unpacked(path, Path(scratch))
        return
    yield path if run != LATEST and path.is_dir() else _by_id(run, name, judged)


def _by_id(run: str, name: str | None, judged: bool) -> Path:
    from bookpayctl.runs import listing

    environment = recorded_environment(name)
    runs = listing.listed_runs(environment.runs_dir)
    if run == LATEST:
        last = listing.newest(runs, judged=judged)
        if last is None:
            what = "run with a report" if judged else "run"
            fail(f"environment {environment.name!r} has no {what} yet", ExitCode.USAGE)
        return last.path
    known = [one.run_id for one in runs if one.state is not listing.RunState.FOREIGN]
    found = listing.matching(known, run)
    if not found:
        fail(
            f"no run is called {run!r}, and no folder or file",
            ExitCode.USAGE,
            fix="bookpayctl runs list",
        )
    if len(found) > 1:
        fail(f"{run!r} begins {len(found)} runs: {', '.join(found[:5])}", ExitCode.USAGE)
    return environment.runs_dir / found[0]


def _unpacked(archive: Path, scratch: Path) -> Path:
    """The folder that a tar file holds; nothing of it gets outside of `scratch`."""
    from bookpayctl.runs.archive import PackedRunError, unpack

    try:
        unpack(archive, scratch)
    except PackedRunError as error:
        fail(f"{archive} cannot be unpacked: {error}", ExitCode.USAGE)
    inside = [entry for entry in scratch.iterdir() if entry.is_dir()]
    return inside[0] if len(inside) == 1 and not (scratch / "run.json").exists() else scratch
