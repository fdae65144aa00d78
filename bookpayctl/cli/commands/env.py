"""`env`: what a shell needs to talk to an environment."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

import typer

from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    fail,
    hint,
    is_interactive,
    print_json,
    print_line,
)
from bookpayctl.report.exit_code import ExitCode


def env(name: NameOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Print shell lines that export the environment's addresses and secrets.

    Use it as `eval "$(bookpayctl env)"`; afterwards `psql "$DB_DSN"` works as it stands. For that,
    what the shell exports for libpq (PGSSLMODE, PGSERVICE, ...) is unset.

    Example: eval "$(bookpayctl env --name shop)"
    """
    from bookpayctl.clients.libpq import known_variables
    from bookpayctl.targets.environment import EnvironmentMissingError
    from bookpayctl.targets.shell import shell_variables

    environment = environment_of(name)
    try:
        variables = shell_variables(environment)
    except EnvironmentMissingError as error:
        fail(str(error), ExitCode.USAGE)
    if output is OutputFormat.JSON:
        print_json(shell_environment(variables))
        return
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


def shell_environment(variables: Mapping[str, str]) -> Document:
    """The variables as a document."""
    return Document("ShellEnvironment", ExitCode.PASS, "ok", {"variables": variables})


def register(app: typer.Typer) -> None:
    app.command("env")(env)
