"""`refund`: money that goes back: what is open, what failed, and sending a failed one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bookpayctl.cli.durations import age
from bookpayctl.cli.errors import database_answers
from bookpayctl.cli.operator_requests import submit_and_report
from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import Document, OutputFormat, fail, hint, print_json, print_table
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.money import shown_money

if TYPE_CHECKING:
    from bookpayctl.operate.refunds import RefundEntry

NOTHING_OWED: Final = "nothing_owed"
"""Why a refund ended that was never sent: others had given the money back."""


def list_refunds(
    name: NameOption = None,
    every: Annotated[bool, typer.Option("--all", help="Succeeded ones, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 100,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Refunds that are open or failed, newest first.

    A failed one is nobody's end: the customer is still owed the money. `refund retry ORDER` asks
    for the next refund, under a key of its own.

    Example: bookpayctl refund list --all
    """
    from bookpayctl.clients.database import reading
    from bookpayctl.operate.refunds import newest_refunds

    environment = environment_of(name)
    with database_answers(environment), reading(environment.dsn) as conn:
        refunds = newest_refunds(conn, every=every, limit=limit)
    if output is OutputFormat.JSON:
        print_json(refund_list(refunds))
        return
    print_table(
        ("order", "n", "state", "amount", "failure", "refund at stripe", "payment", "age"),
        [
            (
                *(refund.order_id, refund.n, refund.state),
                shown_money(refund.amount_cents, refund.currency),
                refund.failure_code or "-",
                *(refund.stripe_refund_id or "-", refund.payment_state, age(refund.age_seconds)),
            )
            for refund in refunds
        ],
    )
    # One that others made unnecessary has failed nobody.
    if any(r.state == "failed" and r.failure_code != NOTHING_OWED for r in refunds):
        hint("a failed refund is still owed: bookpayctl refund retry ORDER")


def refund_list(refunds: Sequence[RefundEntry]) -> Document:
    """The list as a document."""
    body = {"refunds": [asdict(refund) for refund in refunds]}
    return Document("RefundList", ExitCode.PASS, "listed", body)


def retry(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Order id, or its event id.")],
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Ask for the next refund of an order whose last one failed, of what is left to give back.

    The runtime refuses while the last refund is not known to have failed (one that is pending or
    unknown may still give the money back), while a dispute is open, and when nothing is left
    because others have given it back. Exits 6 when it refuses.

    Example: bookpayctl refund retry ORDER
    """
    from bookpayctl.clients.database import reading
    from bookpayctl.operate.refunds import find_payment
    from bookpayctl.operate.requests import OperatorRequest

    environment = environment_of(name)
    with database_answers(environment), reading(environment.dsn) as conn:
        payment = find_payment(conn, order)
    if payment is None:
        fail(f"no payment of an order {order!r}", ExitCode.USAGE, fix="bookpayctl refund list")
    submit_and_report(
        environment,
        [OperatorRequest("retry_refund", event_id=payment.event_id)],
        lambda _: f"refund of {payment.order_id}",
        output,
    )


def register(app: typer.Typer) -> None:
    """Add `refund` and what belongs to it."""
    group = typer.Typer(no_args_is_help=True, help="Money that goes back to customers.")
    group.command("list")(list_refunds)
    group.command("retry")(retry)
    app.add_typer(group, name="refund")
