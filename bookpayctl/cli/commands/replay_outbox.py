"""`replay --source outbox`: which rows, and how they are published again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bookpayctl.cli.output import Document, fail, hint, print_json, print_line, print_table
from bookpayctl.cli.reports import ReportFormat
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.replay.outbox_rows import CountedRows, OutboxSelection
    from bookpayctl.report.result import Report
    from bookpayctl.targets.environment import Environment

SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Rows written at or after it (outbox)."),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Rows written before it (outbox).")
]
TypeOption = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="EVENT", help="Rows of this event type; repeatable (outbox)."),
]
AggregateOption = Annotated[
    list[str] | None,
    typer.Option("--aggregate", metavar="ID", help="Rows of this order or payment (outbox)."),
]


def selection_of(
    since: str | None, until: str | None, types: list[str] | None, aggregates: list[str] | None
) -> OutboxSelection:
    """What was chosen, as of no moment yet; exit 2 where nothing was, or it cannot be meant."""
    from bookpayctl.replay.errors import PositionError
    from bookpayctl.replay.outbox_rows import OutboxSelection
    from bookpayctl.replay.position import time_of
    from runtime.domain.names import TOPIC_OF_EVENT_TYPE

    if not (since or until or types or aggregates):
        fail(
            "--source outbox needs --since, --until, --type or --aggregate: which rows go out again"
            " is yours to say",
            ExitCode.USAGE,
        )
    strange = [name for name in types or () if name not in TOPIC_OF_EVENT_TYPE]
    if strange:
        known = ", ".join(str(name) for name in TOPIC_OF_EVENT_TYPE)
        fail(f"--type {strange[0]!r} is not one of {known}", ExitCode.USAGE)
    try:
        return OutboxSelection(
            began_at=datetime.fromtimestamp(0, UTC),
            since=None if since is None else time_of(since, "--since"),
            until=None if until is None else time_of(until, "--until"),
            types=tuple(types) if types else None,
            aggregates=tuple(aggregates) if aggregates else None,
        )
    except PositionError as error:
        fail(str(error), ExitCode.USAGE)


def refuse_captured(environment: Environment) -> None:
    """Exit 2 where no row says whether it was published, because a capture publishes."""
    if environment.captured:
        fail(
            f"in environment {environment.name!r} Debezium publishes, and no row is ever marked:"
            " which of them were published is not in the outbox; a lost event is inserted again by"
            " the reconciler",
            ExitCode.USAGE,
        )


def send(
    environment: Environment,
    selection: OutboxSelection | None,
    resume: str | None,
    *,
    rate: int | None,
    deadline_seconds: float,
    strict: bool,
) -> Report:
    """Publish the chosen rows again, or go on where an earlier run stopped."""
    from bookpayctl.cli.pacing import shown_pace
    from bookpayctl.replay.errors import ReplayError
    from bookpayctl.replay.reading import Pacing
    from bookpayctl.replay.republish import Sending, republish, saved
    from bookpayctl.session import RefusedError, refused_report

    try:
        if selection is None:
            sending = saved(environment.runs_dir / str(resume))
        else:
            chosen, counted = planned(environment, selection)
            sending = Sending(chosen, sum(one.rows for one in counted))
        with shown_pace() as show:
            return republish(
                environment,
                sending,
                Pacing(rate, show),
                hint,
                deadline_seconds=deadline_seconds,
                strict=strict,
                resumes=resume or "",
            )
    except RefusedError as refused:
        return refused_report("ReplayReport", environment, refused)
    except ReplayError as error:
        fail(str(error), ExitCode.UNKNOWN, fix="bookpayctl status")
    except OSError as error:
        fail(f"the replay could not keep its position: {error}", ExitCode.UNKNOWN)


def planned(
    environment: Environment, selection: OutboxSelection
) -> tuple[OutboxSelection, list[CountedRows]]:
    """The selection as of now, and how many rows of each type it has."""
    from dataclasses import replace

    from bookpayctl.clients.database import DatabaseError
    from bookpayctl.replay.errors import ReplayError
    from bookpayctl.replay.ledger import read_clock
    from bookpayctl.replay.republish import choose_rows

    try:
        chosen = replace(selection, began_at=read_clock(environment.dsn))
    except DatabaseError as error:
        raise ReplayError(f"the ledger could not be asked: {str(error).strip()}") from error
    return chosen, choose_rows(environment, chosen)


def plan_document(counted: Sequence[CountedRows], rate: int | None) -> Document:
    """What would be sent."""
    rows = sum(one.rows for one in counted)
    body: dict[str, Any] = {
        "rows": rows,
        "rate": rate,
        "seconds_min": None if rate is None else round(rows / rate, 1),
        "types": [
            {
                "type": one.event_type,
                "rows": one.rows,
                "from": one.first_at.isoformat(),
                "to": one.last_at.isoformat(),
            }
            for one in counted
        ],
    }
    return Document("RepublishPlan", ExitCode.PASS, "planned", body)


def print_plan(
    environment: Environment, selection: OutboxSelection, rate: int | None, output: ReportFormat
) -> None:
    """Say what would be sent, and send nothing."""
    from bookpayctl.replay.errors import ReplayError

    try:
        _, counted = planned(environment, selection)
    except ReplayError as error:
        fail(str(error), ExitCode.UNKNOWN, fix="bookpayctl status")
    document = plan_document(counted, rate)
    if output is ReportFormat.JSON:
        print_json(document)
        return
    print_table(
        ("type", "rows", "first", "last"),
        [
            (one.event_type, one.rows, one.first_at.isoformat(), one.last_at.isoformat())
            for one in counted
        ],
    )
    print_line(f"{document.body['rows']} rows; nothing was sent")
