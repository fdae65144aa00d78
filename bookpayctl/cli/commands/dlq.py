"""`dlq`: dead letters: what could not be processed, why, and sending it again in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from bookpayctl.cli.durations import age, duration_of
from bookpayctl.cli.errors import database_answers
from bookpayctl.cli.operator_requests import submit_and_report
from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    fail,
    hint,
    leave,
    print_json,
    print_line,
    print_table,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.operate.dead_letters import DeadLetterEntry

ReasonOption = Annotated[
    str | None, typer.Option(help="Only letters with this reason, e.g. amount_too_small.")
]
SinceOption = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Only letters younger than this, e.g. 2h.")
]
EventOption = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="ID", help="Event or order id; may be repeated."),
]


def list_letters(
    name: NameOption = None,
    event: EventOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    every: Annotated[bool, typer.Option("--all", help="Resolved ones, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, newest first.")] = 100,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Dead letters that nobody has resolved, newest first.

    Example: bookpayctl dlq list --reason rate_limit --since 2h
    """

    letters = _selected(name, event, reason, since, every=every, limit=limit)
    if output is OutputFormat.JSON:
        print_json(dead_letter_list(letters))
        return
    print_table(
        ("id", "source", "reason", "subject", "payment", "age", "next step"),
        [
            (
                *(letter.id, letter.source, letter.reason, letter.subject),
                *(letter.payment_state or "-", age(letter.age_seconds), letter.next_step),
            )
            for letter in letters
        ],
    )
    if not letters:
        hint("none: nothing waits for an operator here")


def dead_letter_list(letters: Sequence[DeadLetterEntry]) -> Document:
    """The list as a document."""
    body = {"dead_letters": [_body(letter) for letter in letters]}
    return Document("DeadLetterList", ExitCode.PASS, "listed", body)


def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="As `dlq list` shows it.")],
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """One dead letter whole: where it came from, its bytes, its payment and what to do.

    Example: bookpayctl dlq show 17
    """
    from bookpayctl.clients.database import reading
    from bookpayctl.operate import dead_letters

    environment = environment_of(name)
    with database_answers(environment), reading(environment.dsn) as conn:
        found = dead_letters.select(conn, ids=[number], every=True)
        payload = dead_letters.payload(conn, number)
    if not found:
        fail(f"no dead letter {number}", ExitCode.USAGE, fix="bookpayctl dlq list --all")
    document = dead_letter(found[0], payload)
    if output is OutputFormat.JSON:
        print_json(document)
        return
    for key, value in document.body.items():
        print_line(f"{key:<14} {'-' if value in (None, '') else value}")


def dead_letter(letter: DeadLetterEntry, payload: str | None) -> Document:
    """One letter whole, as a document."""
    return Document("DeadLetter", ExitCode.PASS, "shown", {**_body(letter), "payload": payload})


def redrive(
    name: NameOption = None,
    number: Annotated[
        list[int] | None, typer.Option("--id", metavar="ID", help="A letter; may be repeated.")
    ] = None,
    event: EventOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    every: Annotated[bool, typer.Option("--all", help="Every open letter.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="At most so many a second.")] = 10,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be asked for; change nothing.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Send parked payments again, in place and under the same key.

    Nothing is produced to Kafka: the payment goes back to pending. The runtime refuses a payment
    that may have been charged (it asks Stripe first), one whose order is cancelled, and a record
    that nobody can read. Exits 6 when it refused any, 5 when nothing matched.

    Example: bookpayctl dlq redrive --reason rate_limit --since 2h --dry-run
    """
    from bookpayctl.operate.requests import OperatorRequest

    if not (number or event or reason or since or every):
        fail("say which: --id, --event, --reason, --since or --all", ExitCode.USAGE)
    letters = _selected(name, event, reason, since, every=False, limit=100_000, ids=number)
    if dry_run or not letters:
        _show_plan(letters, output)
    subjects = {letter.id: f"{letter.id} {letter.subject}" for letter in letters}
    submit_and_report(
        environment_of(name),
        [OperatorRequest("redrive_dead_letter", row_id=letter.id) for letter in reversed(letters)],
        lambda request: subjects[request.row_id or 0],
        output,
        per_second=rate,
    )


def _show_plan(letters: list[DeadLetterEntry], output: OutputFormat) -> None:
    document = redrive_plan(letters)
    if output is OutputFormat.JSON:
        print_json(document)
    else:
        print_table(
            ("id", "subject", "reason", "expected"),
            [(letter.id, letter.subject, letter.reason, letter.next_step) for letter in letters],
        )
        hint(f"{len(letters)} would be asked for; nothing was changed")
    leave(document.code)


def redrive_plan(letters: Sequence[DeadLetterEntry]) -> Document:
    """What would be asked for, as a document."""
    body = {"would_redrive": [_body(letter) for letter in letters]}
    if not letters:
        return Document("RedrivePlan", ExitCode.VACUOUS, "nothing_selected", body)
    return Document("RedrivePlan", ExitCode.PASS, "planned", body)


def _selected(
    name: str | None,
    events: list[str] | None,
    reason: str | None,
    since: str | None,
    *,
    every: bool,
    limit: int,
    ids: list[int] | None = None,
) -> list[DeadLetterEntry]:
    from bookpayctl.clients.database import reading
    from bookpayctl.operate import dead_letters

    seconds = None if since is None else duration_of(since, "--since")
    environment = environment_of(name)
    with database_answers(environment), reading(environment.dsn) as conn:
        return dead_letters.select(
            conn,
            ids=ids,
            subjects=events,
            reason=reason,
            younger_than_seconds=seconds,
            every=every,
            limit=limit,
        )


def _body(letter: DeadLetterEntry) -> dict[str, Any]:
    return {
        key: str(value) if isinstance(value, UUID) else value
        for key, value in asdict(letter).items()
    } | {"next_step": letter.next_step}


def register(app: typer.Typer) -> None:
    """Add `dlq` and what belongs to it."""
    group = typer.Typer(no_args_is_help=True, help="What could not be processed, and why.")
    group.command("list")(list_letters)
    group.command("show")(show)
    group.command("redrive")(redrive)
    app.add_typer(group, name="dlq")
