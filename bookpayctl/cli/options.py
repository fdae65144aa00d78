"""Options that several commands share, and how they are resolved."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.output import OutputFormat, fail
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.environment import Environment
    from bookpayctl.targets.settings import Value
    from bookpayctl.targets.suppressions import Suppression

NameOption = Annotated[
    str | None,
    typer.Option("--name", "-n", metavar="NAME", help="Environment; default: `default`."),
]

OnOption = Annotated[
    str | None,
    typer.Option(
        "--on", metavar="PLACE", help="Where: local (this machine), kind or kube (a cluster)."
    ),
]

OutputOption = Annotated[
    OutputFormat, typer.Option("--output", "-o", help="What is written to stdout.")
]


def settings(flags: Mapping[str, object]) -> dict[str, Value]:
    """Every setting with its source, flags first; exit 2 when one is wrong."""
    from bookpayctl.targets.settings import SettingsError, resolve

    typed = {key: None if value is None else str(value) for key, value in flags.items()}
    try:
        return resolve(typed, os.environ, Path.cwd())
    except SettingsError as error:
        fail(str(error), ExitCode.USAGE)


def config_path() -> Path:
    """The file of settings that this command reads, whether or not it exists."""
    from bookpayctl.targets.settings import CONFIG_FILE, CONFIG_VARIABLE

    return Path(os.environ.get(CONFIG_VARIABLE) or Path.cwd() / CONFIG_FILE)


def suppressions_of(known: Collection[str]) -> tuple[Suppression, ...]:
    """The suppressions of the file of settings; exit 2 when one is wrong.

    Args:
        known: ids of the checks that there are.
    """
    from bookpayctl.targets.settings import SettingsError, suppressions

    try:
        found = suppressions(os.environ, Path.cwd())
    except SettingsError as error:
        fail(str(error), ExitCode.USAGE)
    for one in found:
        if one.id not in known:
            there = ", ".join(known)
            fail(f"{config_path()} suppresses {one.id!r}; there are {there}", ExitCode.USAGE)
    return found


def name_of(name: str | None) -> str:
    """The environment's name by flag, variable, file or default; exit 2 when it cannot be one."""
    from bookpayctl.targets.settings import SettingsError, environment_name

    try:
        return environment_name(settings({"name": name}))
    except SettingsError as error:
        fail(str(error), ExitCode.USAGE)


def recorded_environment(name: str | None) -> Environment:
    """The environment as `up` wrote it down; exit 2 when there is none."""
    from bookpayctl.targets.environment import EnvironmentMissingError, load

    try:
        return load(name_of(name))
    except EnvironmentMissingError as error:
        fail(str(error), ExitCode.USAGE)


def environment_of(name: str | None) -> Environment:
    """The environment a command works on, with addresses that work from here; exit 2 without."""
    from bookpayctl.targets.errors import TargetError
    from bookpayctl.targets.platforms import reached

    try:
        return reached(recorded_environment(name))
    except TargetError as error:
        fail(str(error), error.code, reason=error.reason, fix=error.fix)
