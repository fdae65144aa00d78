"""`config show`: every setting, and where its value came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from bookpayctl.cli.options import NameOption, OutputOption, settings, suppressions_of
from bookpayctl.cli.output import Document, OutputFormat, print_json, print_line, print_table
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.settings import Value
    from bookpayctl.targets.suppressions import Suppression

_app = typer.Typer(help="Settings and their sources.", no_args_is_help=True)


@_app.command("show")
def show(name: NameOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show every setting: flag > environment variable > bookpay.toml > default.

    Example: bookpayctl config show --name shop
    """
    from bookpayctl.checks import CHECKS
    from bookpayctl.targets.settings import SETTINGS

    values = settings({"name": name})
    suppressions = suppressions_of([check.id for check in CHECKS])
    if output is OutputFormat.JSON:
        print_json(config_document(values, suppressions))
        return
    print_table(
        ("setting", "value", "source", "meaning"),
        [
            (
                setting.key,
                values[setting.key].text or "-",
                values[setting.key].source,
                setting.meaning,
            )
            for setting in SETTINGS
        ],
    )
    if suppressions:
        print_line("")
        print_table(
            ("suppressed check", "until", "reason"),
            [(one.id, one.until.isoformat(), one.reason) for one in suppressions],
        )


def config_document(
    values: Mapping[str, Value], suppressions: Sequence[Suppression] = ()
) -> Document:
    """Every setting, its value and where that came from, as a document."""
    from bookpayctl.targets.settings import SETTINGS

    listed = [
        {
            "key": setting.key,
            "value": values[setting.key].text,
            "source": values[setting.key].source,
            "flag": setting.flag or None,
            "variable": setting.variable,
            "default": setting.default,
            "meaning": setting.meaning,
        }
        for setting in SETTINGS
    ]
    suppressed = [
        {"id": one.id, "reason": one.reason, "until": one.until.isoformat()} for one in suppressions
    ]
    return Document("Config", ExitCode.PASS, "ok", {"settings": listed, "suppressions": suppressed})


def register(app: typer.Typer) -> None:
    app.add_typer(_app, name="config")
