"""`webhook quarantine`: signed events that were set aside because they contradict what we know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from bookpayctl.cli.durations import age
from bookpayctl.cli.errors import database_answers
from bookpayctl.cli.operator_requests import submit_and_report
from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import Document, OutputFormat, hint, print_json, print_table
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.operate.quarantine import QuarantineEntry

quarantine_app = typer.Typer(
    help="Signed webhooks that were set aside: received, kept, and without effect.",
    no_args_is_help=True,
)

# From each reason of the receiver to what an operator should think of first.
REASONS: Final = {
    "not_an_object": "no JSON object",
    "no_event_id": "no id that begins with evt_",
    "not_an_event": "no event, or one without a type",
    "no_object": "an event without data.object",
    "unstorable_text": "a text with NUL or half a surrogate pair",
    "same_id_other_body": "a known event id with another body; the first one counts",
    "livemode": "a live event in a test environment",
    "other_account": "of another Stripe account",
    "api_version": "of an API version we do not read",
    "amount": "another amount than the order's",
    "currency": "another currency than the order's",
    "idempotency_key": "caused by a key that is not this payment's",
    "other_payment_intent": "another PaymentIntent than the payment's",
    "other_environment": "metadata.env names another environment",
    "not_ours": "no metadata of ours",
    "payment_never_came": "its payment did not come while it was parked",
    "refund_not_ours": "a refund that none of ours became while it was parked",
    "unreadable": "a stored body that cannot be read any more",
}


@quarantine_app.command("list")
def list_quarantined(
    name: NameOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    released: Annotated[
        bool, typer.Option("--released", help="Also those that were released.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """What was set aside, why, how long ago, and which event it was.

    A quarantined event had a good signature and was answered 200, so Stripe will not send it
    again: it waits here for somebody to look. None is a reason to pay or to ship.

    Example: bookpayctl webhook quarantine list --limit 10
    """
    from bookpayctl.clients.database import reading
    from bookpayctl.operate.quarantine import newest_quarantined

    environment = environment_of(name)
    with database_answers(environment), reading(environment.dsn) as conn:
        webhooks = newest_quarantined(conn, released=released, limit=limit)
    found = [_document(webhook) for webhook in webhooks]
    if output is OutputFormat.JSON:
        print_json(quarantine_list(webhooks))
        return
    print_table(
        ("id", "age", "reason", "event", "type", "headers"),
        [
            (
                item["id"],
                age(item["age_seconds"]),
                item["reason"],
                item["event_id"] or "-",
                item["type"] or "-",
                " ".join(f"{key}={value}" for key, value in item["headers"].items()) or "-",
            )
            for item in found
        ],
    )
    for reason in dict.fromkeys(item["reason"] for item in found):
        hint(f"{reason}: {_meaning(reason)}")


def quarantine_list(webhooks: Sequence[QuarantineEntry]) -> Document:
    """The list as a document."""
    body = {"quarantined": [_document(webhook) for webhook in webhooks]}
    return Document("QuarantineList", ExitCode.PASS, "listed", body)


NumbersArgument = Annotated[
    list[int], typer.Argument(metavar="ID...", help="As `webhook quarantine list` shows them.")
]


@quarantine_app.command()
def release(
    numbers: NumbersArgument, name: NameOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Try events again as the receiver would today.

    For when the contradiction was ours and is mended. One that still does not fit stays in
    quarantine, and the command exits 6; nothing is ever forced.

    Example: bookpayctl webhook quarantine release 3 4
    """
    _ask("release_webhook", numbers, name, output)


@quarantine_app.command()
def discard(
    numbers: NumbersArgument, name: NameOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Take events off the list without effect; the rows stay as evidence.

    Example: bookpayctl webhook quarantine discard 4
    """
    _ask("discard_webhook", numbers, name, output)


def _ask(
    kind: Literal["release_webhook", "discard_webhook"],
    numbers: list[int],
    name: str | None,
    output: OutputFormat,
) -> None:
    from bookpayctl.operate.requests import OperatorRequest

    submit_and_report(
        environment_of(name),
        [OperatorRequest(kind, row_id=number) for number in numbers],
        lambda request: f"webhook {request.row_id}",
        output,
    )


def _document(webhook: QuarantineEntry) -> dict[str, Any]:
    event = webhook.named()
    return {
        "id": webhook.id,
        "received_at": webhook.received_at.isoformat(),
        "age_seconds": round(webhook.age_seconds, 3),
        "reason": webhook.reason,
        "meaning": _meaning(webhook.reason),
        "event_id": event.get("id"),
        "type": event.get("type"),
        "size_bytes": len(webhook.body),
        "headers": webhook.headers,
        "released_at": webhook.released_at.isoformat() if webhook.released_at else None,
    }


def _meaning(reason: str) -> str:
    contradicted = reason.startswith("contradicts ")
    return REASONS.get(reason, "the database refused it" if contradicted else "not described here")
