"""`bench`: contenders side by side, measured by the runner of this repository's `benchmarks/`.

The runner is no part of the package: it stands on servers and helpers of the tests. Where the tool
runs from a checkout it is found beside the package; elsewhere the command says what it needs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from bookpayctl.cli.output import fail, print_line
from bookpayctl.report.exit_code import ExitCode

_CHECKOUT: Final = Path(__file__).parents[3]

# Beside the package in a checkout, and nowhere else.
_PARTS: Final = ("benchmarks/__main__.py", "tests/support/servers.py")

# Servers and a whole stack are stopped in it, however busy the machine is.
_GOODBYE_SECONDS_MAX: Final = 180.0


class BenchSuite(StrEnum):
    """What is compared."""

    PUBLISHER = "publisher"
    REPLAY = "replay"
    ORDERS = "orders"
    GROWTH = "growth"


class BenchFormat(StrEnum):
    """What is printed."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"


def bench(
    suite: Annotated[BenchSuite, typer.Argument(help="What is compared.")] = BenchSuite.PUBLISHER,
    only: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="These contenders alone.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each takes its turn.")] = 3,
    rows: Annotated[int, typer.Option(min=100, help="Of the backlog, or the log.")] = 50_000,
    seconds: Annotated[float, typer.Option(min=1, help="Of a trickle, or of a load.")] = 5.0,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A run that was kept, to compare with.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to keep this run, as JSON.")
    ] = None,
    output: Annotated[
        BenchFormat, typer.Option("--output", "-o", help="What is written to stdout.")
    ] = BenchFormat.TABLE,
) -> None:
    """Measure publishers, readers or whole stacks in turns: medians, spread, load. Takes minutes.

    Needs a checkout of the repository, because servers and programs of its tests are used; the
    servers are started for it and stopped. With --compare it exits 1 where a figure is worse than
    both spreads allow.

    Example: bookpayctl bench publisher --only ours-poll,debezium --rounds 3 --keep now.json
    """
    if not all((_CHECKOUT / part).is_file() for part in _PARTS):
        fail(
            "bench needs a checkout of the repository: its contenders stand on the tests' servers,"
            " which are no part of the package; there: `make setup`, then .venv/bin/bookpayctl"
            " bench, or nox -s bench",
            ExitCode.USAGE,
        )
    from bookpayctl.targets.children import python_variables
    from bookpayctl.targets.servers.jars import CACHE_VARIABLE, cache_dir

    words = [suite.value, "--rounds", str(rounds), "--rows", str(rows), "--seconds", str(seconds)]
    given = {"--only": only, "--compare": compare, "--keep": keep, "--output": output.value}
    for option, value in given.items():
        words += [] if value is None else [option, str(value)]
    own = {
        "PYTHONPATH": str(_CHECKOUT),
        CACHE_VARIABLE: str(cache_dir()),
        # Servers and stacks are made in it; it may be the one folder with space.
        "TMPDIR": tempfile.gettempdir(),
    }
    code, text = _run(words, python_variables(own))
    if not text:
        fail(
            f"the runner ended with {code} and measured nothing; its reason is above",
            ExitCode.USAGE if code == ExitCode.USAGE else ExitCode.UNKNOWN,
        )
    print_line(text.rstrip("\n"))
    raise typer.Exit(code)


def _run(words: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str]:
    """The runner's exit code and what it printed; who stops this command stops its servers."""
    from bookpayctl.runbook.execution import end_group

    # A Ctrl-C of the terminal reaches this command alone, which passes it on.
    runner = subprocess.Popen(
        [sys.executable, "-P", "-m", "benchmarks", *words],
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        text, _ = runner.communicate()
    except BaseException:
        end_group(runner, grace_seconds=_GOODBYE_SECONDS_MAX)
        raise
    return runner.returncode, text


def register(app: typer.Typer) -> None:
    app.command("bench")(bench)
