"""`config show`: every setting, and where its value came from."""

from __future__ import annotations

import typer

from bookpayctl.cli.options import NameOption, OutputOption, settings
from bookpayctl.cli.output import Document, OutputFormat, print_json, print_table
from bookpayctl.report.exit_code import ExitCode

_app = typer.Typer(help="Settings and their sources.", no_args_is_help=True)


@_app.command("show")
def show(name: NameOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show every setting: flag > environment variable > bookpay.toml > default."""
    from bookpayctl.targets.settings import SETTINGS

    values = settings({"name": name})
    if output is OutputFormat.JSON:
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
        print_json(Document("Config", ExitCode.PASS, "ok", {"settings": listed}))
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


def register(app: typer.Typer) -> None:
    app.add_typer(_app, name="config")
