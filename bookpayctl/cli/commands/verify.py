"""`verify`: a recorded audit, judged again from its folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bookpayctl.cli.options import NameOption, environment_of
from bookpayctl.cli.output import fail
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    StrictOption,
    VerboseOption,
    finish,
    report_files,
)
from bookpayctl.report.exit_code import ExitCode


def verify(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, its folder, or a tar file of it.")
    ],
    name: NameOption = None,
    with_current_rules: Annotated[
        bool,
        typer.Option(
            "--with-current-rules",
            help="Judge also where the rules have changed since, and say what differs.",
        ),
    ] = False,
    strict: StrictOption = False,
    verbose: VerboseOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Judge the recorded ledgers of a run again, offline, and see that none of it was changed.

    Needs no stack: a folder that was copied from elsewhere is enough.

    Example: bookpayctl verify 20261129-101500-audit-3f2a
    """
    from bookpayctl.judge.verification import verify as judge_again

    files = report_files(report, output)
    with _folder(run, name) as folder:
        result = judge_again(folder, with_current_rules=with_current_rules, strict=strict)
    finish(result, output, files, detailed=verbose)


@contextmanager
def _folder(run: str, name: str | None) -> Iterator[Path]:
    """The run's folder; exit 2 where there is none."""
    path = Path(run)
    if path.is_file():
        with tempfile.TemporaryDirectory(prefix="bookpay-verify-") as scratch:
            yield _unpacked(path, Path(scratch))
        return
    folder = path if path.is_dir() else environment_of(name).runs_dir / run
    if not folder.is_dir():
        fail(f"no run is called {run!r}, and no folder or file", ExitCode.USAGE)
    yield folder


def _unpacked(archive: Path, scratch: Path) -> Path:
    """The folder that a tar file holds; nothing of it gets outside of `scratch`."""
    from bookpayctl.runs.archive import PackedRunError, unpack

    try:
        unpack(archive, scratch)
    except PackedRunError as error:
        fail(f"{archive} cannot be unpacked: {error}", ExitCode.USAGE)
    inside = [entry for entry in scratch.iterdir() if entry.is_dir()]
    return inside[0] if len(inside) == 1 and not (scratch / "run.json").exists() else scratch


def register(app: typer.Typer) -> None:
    app.command("verify")(verify)
