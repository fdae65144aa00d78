"""`shadow`: run beside v1, compare, and cut over only at 100 % parity."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.errors import database_answers
from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    did,
    fail,
    hint,
    leave,
    print_json,
    print_line,
    print_table,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.operate.shadow import Imported, Parity


def import_outcomes(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON Lines or CSV; - is stdin.")],
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Bring in how v1's payments ended; the payments that waited for it go on.

    Each line names an order (event_id or order_id) and its outcome: settled with the
    payment_intent_id v1 took the money with, or declined with its code. All lines are stored or
    none; a file that was imported before changes nothing.

    Example: bookpayctl shadow import outcomes.csv
    """
    from bookpayctl.operate import shadow

    environment = environment_of(name)
    try:
        rows = shadow.parse(_text(file))
        if not rows:
            fail(f"{file} holds no outcome", ExitCode.VACUOUS)
        with database_answers(environment):
            from bookpayctl.clients.database import writing

            with writing(environment.dsn) as conn:
                imported = shadow.store(conn, rows)
    except shadow.ImportRefusedError as error:
        fail(f"nothing was imported from {file}:\n{error}", ExitCode.USAGE)
    did(f"{imported.new} outcomes of v1 stored, {imported.known} were known")
    if output is OutputFormat.JSON:
        print_json(shadow_import(imported))
        return
    print_line(f"{imported.new} outcomes of v1 are new, {imported.known} were known")


def shadow_import(imported: Imported) -> Document:
    """How much was new, as a document."""
    body = {"new": imported.new, "known": imported.known}
    return Document("ShadowImport", ExitCode.PASS, "imported", body)


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file} cannot be read: {error}", ExitCode.USAGE)


def report(
    name: NameOption = None,
    day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="One day (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many mismatches are listed.")] = 20,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """How far our outcomes agree with v1's, by day and outcome, with the mismatches.

    Exits 1 below 100 %, 3 when our own call has no final outcome for a payment v1 has ended,
    5 when nothing was compared, 0 only at 100 %.

    Example: bookpayctl shadow report --day 2026-01-31
    """
    from bookpayctl.clients.database import reading
    from bookpayctl.operate import shadow

    environment = environment_of(name)
    wanted = None if day is None else _day(day)
    with database_answers(environment), reading(environment.dsn) as conn:
        parity = shadow.read(conn, day=wanted, limit=limit)
    document = shadow_report(parity)
    if output is OutputFormat.JSON:
        print_json(document)
    else:
        _print(parity)
    leave(document.code)


def shadow_report(parity: Parity) -> Document:
    """The comparison as a document."""
    code, reason = parity.exit()
    return Document("ShadowReport", code, reason, _body(parity))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"--day {text!r} is not a date like 2026-01-31", ExitCode.USAGE)


def _print(parity: Parity) -> None:
    print_table(
        ("day", "v1", "agreed", "differed", "unresolved"),
        [
            (day.day, day.v1_outcome, day.agreed, day.differed, day.unresolved)
            for day in parity.days
        ],
    )
    print_line()
    for mismatch in parity.mismatches:
        who = mismatch.order_id or mismatch.event_id
        print_line(f"mismatch  {who}  v1: {mismatch.v1}  ours: {mismatch.v2}")
    percent = "none compared" if parity.percent is None else f"{_floor(parity.percent)} %"
    print_line(f"parity    {percent} of {parity.compared} compared")
    if parity.unresolved:
        hint(f"{parity.unresolved} that v1 has ended have no final outcome of our own call")
    if parity.waiting:
        hint(f"{parity.waiting} wait for v1's outcome: bookpayctl shadow import FILE")


def _floor(percent: float) -> str:
    """Two decimals, never rounded up to 100."""
    return f"{int(percent * 100) / 100:.2f}"


def _body(parity: Parity) -> dict[str, object]:
    return {
        "percent": parity.percent,
        "compared": parity.compared,
        "differed": parity.differed,
        "unresolved": parity.unresolved,
        "waiting_for_v1": parity.waiting,
        "days": [
            {
                "day": day.day.isoformat(),
                "v1_outcome": day.v1_outcome,
                "agreed": day.agreed,
                "differed": day.differed,
                "unresolved": day.unresolved,
            }
            for day in parity.days
        ],
        "mismatches": [
            {
                "event_id": str(mismatch.event_id),
                "order_id": mismatch.order_id,
                "v1": mismatch.v1,
                "v2": mismatch.v2,
            }
            for mismatch in parity.mismatches
        ],
    }


def register(app: typer.Typer) -> None:
    """Add `shadow` and what belongs to it."""
    group = typer.Typer(no_args_is_help=True, help="Run beside v1 and compare.")
    group.command("import")(import_outcomes)
    group.command("report")(report)
    app.add_typer(group, name="shadow")
