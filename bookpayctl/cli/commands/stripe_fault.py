"""`stripe fault`: make requests and webhooks of the Stripe twin go wrong, and see that they did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from bookpayctl.cli.commands.stripe_control import (
    ControlUrlOption,
    LimitOption,
    call,
    control_url,
    show_answer,
    show_rows,
)
from bookpayctl.cli.options import NameOption, OutputOption
from bookpayctl.cli.output import OutputFormat, fail
from bookpayctl.report.exit_code import ExitCode

fault_app = typer.Typer(help="Make requests and webhooks go wrong.", no_args_is_help=True)


@fault_app.command("add")
def fault_add(
    action: Annotated[str, typer.Argument(help="e.g. execute_then_cut, saved_500, webhook_drop")],
    match: Annotated[
        list[str] | None,
        typer.Option(
            help="FIELD=VALUE, repeatable: method, path, key, payment_method, event_type, "
            "endpoint_id or metadata.NAME; a path or event_type may end in *."
        ),
    ] = None,
    number: Annotated[
        list[str] | None, typer.Option(help="NAME=NUMBER of the action, e.g. seconds=2.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Act so many times.")] = None,
    probability: Annotated[float, typer.Option(help="Chance to act on a match.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the chance.")] = 0,
    should_retry: Annotated[
        str | None, typer.Option(help="Stripe-Should-Retry: true, false or absent.")
    ] = None,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Arm a fault; an unknown action is answered with the list of all.

    Example: bookpayctl stripe fault add saved_500 --count 1 --match key=KEY
    """
    body: dict[str, object] = {"action": action, "probability": probability, "seed": seed}
    body["match"] = _match(match or [])
    body["numbers"] = _numbers(number or [])
    if count is not None:
        body["count"] = count
    if should_retry is not None:
        body["should_retry"] = should_retry
    show_answer("StripeFault", call(control_url(url, name), "POST", "/faults", body), output)


@fault_app.command("list")
def fault_list(
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """The active faults.

    Example: bookpayctl stripe fault list
    """
    columns = ("id", "action", "match", "remaining", "probability", "numbers")
    show_rows(control_url(url, name), "/faults", {}, None, columns, "StripeFaults", output)


@fault_app.command("hits")
def fault_hits(
    fault_id: Annotated[str | None, typer.Option(help="Of one fault.")] = None,
    limit: LimitOption = 50,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """What faults did; each row was on disk before its fault acted.

    Example: bookpayctl stripe fault hits --limit 10
    """
    shown = ("n", "fault_id", "action", "idempotency_key", "path", "event_id")
    query = {"fault_id": fault_id}
    show_rows(control_url(url, name), "/fault-hits", query, limit, shown, "StripeFaultHits", output)


@fault_app.command("clear")
def fault_clear(
    fault_id: Annotated[str | None, typer.Argument(metavar="ID", help="Default: all.")] = None,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Disarm one fault or all of them.

    Example: bookpayctl stripe fault clear
    """
    path = f"/faults/{fault_id}" if fault_id else "/faults"
    show_answer("StripeFaultsCleared", call(control_url(url, name), "DELETE", path), output)


def _match(pairs: Sequence[str]) -> dict[str, object]:
    match: dict[str, object] = {}
    metadata: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            fail(f"--match {pair!r} is not FIELD=VALUE", ExitCode.USAGE)
        if name.startswith("metadata."):
            metadata[name.removeprefix("metadata.")] = value
        else:
            match[name] = value
    return match | ({"metadata": metadata} if metadata else {})


def _numbers(pairs: Sequence[str]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            numbers[name] = float(value)
        except ValueError:
            fail(f"--number {pair!r} is not NAME=NUMBER", ExitCode.USAGE)
    return numbers
