"""What the `stripe` commands share: finding a twin's control API, asking it, showing its rows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from bookpayctl.cli.options import environment_of
from bookpayctl.cli.output import Document, OutputFormat, did, fail, hint, print_json, print_table
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.money import shown_money

if TYPE_CHECKING:
    from bookpayctl.clients.stripe_twin import TwinError

CONTROL_URL_VARIABLE: Final = "BOOKPAY_STRIPE_CONTROL_URL"

ControlUrlOption = Annotated[
    str | None,
    typer.Option("--control-url", metavar="URL", help="Of the twin; default: the environment's."),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most so many rows, the newest.")
]


def is_given(url: str | None) -> bool:
    """Whether the twin is named by its URL instead of by its environment."""
    return bool(url or os.environ.get(CONTROL_URL_VARIABLE))


def control_url(given: str | None, name: str | None) -> str:
    """Where the twin's control API is: flag, then variable, then the environment's state."""
    found = given or os.environ.get(CONTROL_URL_VARIABLE)
    if not found:
        found = environment_of(name).stripe_control_url
    if not found:
        fail(
            "this environment does not use the Stripe twin, so there is nothing to control",
            ExitCode.USAGE,
        )
    return found.rstrip("/")


def call(
    url: str,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
    query: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Ask the control API; ends the command with 2 for a refusal, 3 when nobody answers."""
    from bookpayctl.clients.stripe_twin import TwinControl, TwinError

    try:
        answer = TwinControl(url).ask(method, path, body, query)
    except TwinError as error:
        _unanswered(error)
    if method != "GET":
        did(f"{method} {path} at the twin {answer.get('id') or ''}".rstrip())
    return answer


def _unanswered(error: TwinError) -> NoReturn:
    if error.refused:
        fail(str(error), ExitCode.USAGE)
    fail(str(error), ExitCode.UNKNOWN, fix="bookpayctl status")


def show_rows(
    url: str,
    path: str,
    query: Mapping[str, object],
    limit: int | None,
    columns: Sequence[str],
    kind: str,
    output: OutputFormat,
) -> None:
    """Rows of one collection; of more than `limit` the newest, and stderr says so."""
    from bookpayctl.clients.stripe_twin import TwinControl, TwinError

    found: deque[dict[str, Any]] = deque(maxlen=limit)
    count = 0
    try:
        for row in TwinControl(url).each(path.strip("/"), query):
            found.append(row)
            count += 1
    except TwinError as error:
        _unanswered(error)
    rows = list(found)
    if count > len(rows):
        hint(f"the newest {limit} of {count}; --limit shows more")
    if output is OutputFormat.JSON:
        print_json(Document(kind, ExitCode.PASS, "ok", {"data": rows}))
        return
    print_table(columns, ([_of_row(row, column) for column in columns] for row in rows))


def _of_row(row: Mapping[str, Any], column: str) -> str:
    if column == "amount" and row.get("currency"):
        return shown_money(row["amount"], row["currency"])
    return cell(row.get(column))


def show_answer(kind: str, answer: Mapping[str, Any], output: OutputFormat) -> None:
    """One answer, a line for each of its fields."""
    if output is OutputFormat.JSON:
        print_json(Document(kind, ExitCode.PASS, "ok", answer))
        return
    print_table(("what", "value"), ((key, cell(value)) for key, value in answer.items()))


def cell(value: object) -> str:
    """One value for a table; nothing is a dash."""
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, dict):
        return ",".join(f"{key}={cell(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
