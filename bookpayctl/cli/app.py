"""The command line, assembled from one file per command group.

Every group's file is cheap to import: what is heavy is imported inside its commands, so that
`--help` and completion answer at once.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Annotated, Any, Final

import typer

from bookpayctl.cli.commands import (
    attach,
    audit,
    bench,
    certify,
    check,
    config,
    demo,
    dlq,
    doctor,
    drill,
    env,
    explain,
    image,
    load,
    logs,
    mapping,
    order,
    recover,
    refund,
    replay,
    report,
    runbook,
    runs,
    shadow,
    simulate,
    status,
    stripe,
    up,
    verify,
    watch,
    webhook,
)
from bookpayctl.cli.output import print_line

# `python -OO`: what functions say about themselves is not compiled in.
OPTIMIZED_WITHOUT_DOCSTRINGS: Final = 2

# In the order of `--help`.
_GROUPS: Final = (
    *(up, attach, status, watch, doctor, logs, env, config),
    *(demo, certify, order, load, webhook),
    *(check, audit, mapping, verify, drill, replay, runs, report),
    runbook,
    *(stripe, dlq, refund, shadow, recover, simulate, bench, explain, image),
)

_HELP: Final = """A payments stack for an online bookshop, and the tool that proves nobody was \
charged twice.

Exit codes: 0 pass · 1 violated · 2 usage or config · 3 unknown · 4 warnings with --strict ·
5 vacuous · 6 refused by a guard · 7 dirty · 124 deadline · 130/143 interrupted, after undo.
"""


def build_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="bookpayctl",
        help=_HELP,
        no_args_is_help=True,
        # Plain help: drawing frames would take longer than everything else together.
        rich_markup_mode=None,
        # A trace as Python prints it: without locals, any of which may be a secret.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for group in _GROUPS:
        group.register(app)
    return app


@cache
def build_command() -> Any:
    """The whole command line, ready to be run; each command with its help. Made once a process."""
    command = typer.main.get_command(build_app())
    if sys.flags.optimize >= OPTIMIZED_WITHOUT_DOCSTRINGS:
        _give_help(command)
    return command


def _give_help(command: Any) -> None:
    from bookpayctl.cli.texts import docstring_of

    for inner in getattr(command, "commands", {}).values():
        _give_help(inner)
    if not command.help and command.callback is not None:
        command.help = docstring_of(command.callback)


def _tell_version(wanted: bool) -> None:
    """Print which release this is, and end: the option comes before every command."""
    if wanted:
        from importlib import metadata

        print_line(f"bookpayctl {metadata.version('bookpay')}")
        raise typer.Exit


def _options(
    version: Annotated[  # noqa: ARG001 - the callback has done what is asked for
        bool,
        typer.Option(
            "--version", help="Which release this is.", callback=_tell_version, is_eager=True
        ),
    ] = False,
    color: Annotated[
        str, typer.Option(help="auto, always or never; NO_COLOR is honoured too.")
    ] = "auto",
) -> None:
    if color == "never":
        os.environ["NO_COLOR"] = "1"
    elif color == "always":
        os.environ.pop("NO_COLOR", None)
        os.environ["FORCE_COLOR"] = "1"
    elif color != "auto":
        raise typer.BadParameter("must be auto, always or never", param_hint="--color")
