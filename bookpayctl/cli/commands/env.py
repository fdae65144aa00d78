"""`env`: what a shell needs to talk to an environment."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.options import (
    NameOption,
    OutputOption,
    environment_of,
    recorded_environment,
)
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    fail,
    hint,
    is_interactive,
    leave,
    print_json,
    print_line,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.environment import Environment


ServeOption = Annotated[
    bool,
    typer.Option("--serve", help="In a cluster: lead local ports there, until Ctrl-C."),
]


def env(
    name: NameOption = None,
    serve: ServeOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Print shell lines that export the environment's addresses and secrets.

    Use it as `eval "$(bookpayctl env)"`; afterwards `psql "$DB_DSN"` works as it stands. For that,
    what the shell exports for libpq (PGSSLMODE, PGSERVICE, ...) is unset.

    The addresses of a cluster are known in it alone; with --serve they are ports of this machine
    while this runs: `bookpayctl env --serve > shop.env`, and in another shell `. ./shop.env`.

    Example: eval "$(bookpayctl env --name shop)"
    """
    from bookpayctl.targets.environment import EnvironmentMissingError
    from bookpayctl.targets.shell import shell_variables

    environment = environment_of(name) if serve else recorded_environment(name)
    try:
        variables = shell_variables(environment)
    except EnvironmentMissingError as error:
        fail(str(error), ExitCode.USAGE)
    if environment.target != "local" and not serve:
        hint("these addresses are known in the cluster alone; from here: bookpayctl env --serve")
    if output is OutputFormat.JSON:
        print_json(shell_environment(variables))
    else:
        _print(environment, variables)
    if serve and environment.target != "local":
        _stay()


def _print(environment: Environment, variables: Mapping[str, str]) -> None:
    """The lines, and a word of caution for whoever sees them on a terminal."""
    from bookpayctl.clients.libpq import known_variables

    # PGSERVICE and PGDATESTYLE reach psql whatever DB_DSN says.
    if in_the_way := sorted(known_variables() & os.environ.keys()):
        print_line(f"unset {' '.join(in_the_way)}")
    for key, value in variables.items():
        print_line(f"export {key}={shlex.quote(value)}")
    psql_dir = str(environment.psql_dir) if environment.psql_dir else None
    if psql_dir and psql_dir not in os.environ.get("PATH", "").split(os.pathsep):
        print_line(f'export PATH={shlex.quote(psql_dir)}:"$PATH"')
    if is_interactive() and os.isatty(1):
        hint('these lines hold secrets; to use them: eval "$(bookpayctl env)"')


def _stay() -> None:
    """Keep the ways open until a signal ends the command."""
    from bookpayctl.runs.interrupts import Stopped, interruptible

    sys.stdout.flush()
    hint("ways into the cluster are open; Ctrl-C closes them")
    try:
        with interruptible():
            threading.Event().wait()
    except Stopped as stopped:
        leave(ExitCode.INTERRUPTED if stopped.number == signal.SIGINT else ExitCode.TERMINATED)


def shell_environment(variables: Mapping[str, str]) -> Document:
    """The variables as a document."""
    return Document("ShellEnvironment", ExitCode.PASS, "ok", {"variables": variables})


def register(app: typer.Typer) -> None:
    app.command("env")(env)
