"""`refund`: money that goes back: what is open, what failed, and sending a failed one again."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import typer

from bookpayctl.cli.durations import age
from bookpayctl.cli.errors import database_answers
from bookpayctl.cli.operator_requests import submit_and_report
from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import Document, OutputFormat, fail, hint, print_json, print_table
from bookpayctl.report.exit_code import ExitCode

_COLUMNS: Final = (
    *("order_id", "n", "state", "amount_cents", "currency", "failure_code"),
    *("stripe_refund_id", "payment_state", "attempts", "age_seconds", "event_id"),
)
_LIST: Final = """
    SELECT p.order_id, r.n, r.state, r.amount_cents, r.currency, r.failure_code,
           r.stripe_refund_id, p.state, r.attempts,
           extract(epoch FROM clock_timestamp() - r.created_at)::float8, r.event_id
    FROM refunds r JOIN payments p USING (event_id)
    WHERE %(all)s OR r.state <> 'succeeded'
    ORDER BY r.created_at DESC, r.n DESC LIMIT %(limit)s
"""


def list_refunds(
    name: NameOption = None,
    every: Annotated[bool, typer.Option("--all", help="Succeeded ones, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 100,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Refunds that are open or failed, newest first.

    A failed one is nobody's end: the customer is still owed the money. `refund retry ORDER` asks
    for the next refund, under a key of its own.
    """
    from bookpayctl.clients.database import reading

    environment = environment_of(name)
    with database_answers(environment), reading(environment.dsn) as conn:
        rows = conn.execute(_LIST, {"all": every, "limit": limit}).fetchall()
    if output is OutputFormat.JSON:
        refunds = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        print_json(Document("RefundList", ExitCode.PASS, "listed", {"refunds": refunds}))
        return
    print_table(
        ("order", "n", "state", "amount", "failure", "refund at stripe", "payment", "age"),
        [
            (
                *(row[0], row[1], row[2], f"{row[3]} {row[4]}", row[5] or "-"),
                *(row[6] or "-", row[7], age(row[9])),
            )
            for row in rows
        ],
    )
    if any(row[2] == "failed" for row in rows):
        hint("a failed refund is still owed: bookpayctl refund retry ORDER")


def retry(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Order id, or its event id.")],
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Ask for the next refund of an order whose last one failed.

    The runtime refuses unless the last refund is known to have failed at Stripe: one that is
    pending or unknown may still give the money back. Exits 6 when it refuses.
    """
    from bookpayctl.clients.database import reading
    from bookpayctl.operate.requests import OperatorRequest

    environment = environment_of(name)
    with database_answers(environment), reading(environment.dsn) as conn:
        found = conn.execute(
            "SELECT event_id, order_id FROM payments WHERE order_id = %s OR event_id::text = %s",
            (order, order),
        ).fetchone()
    if found is None:
        fail(f"no payment of an order {order!r}", ExitCode.USAGE, fix="bookpayctl refund list")
    event_id = UUID(str(found[0]))
    submit_and_report(
        environment,
        [OperatorRequest("retry_refund", event_id=event_id)],
        lambda _: f"refund of {found[1]}",
        output,
    )


def register(app: typer.Typer) -> None:
    """Add `refund` and what belongs to it."""
    group = typer.Typer(no_args_is_help=True, help="Money that goes back to customers.")
    group.command("list")(list_refunds)
    group.command("retry")(retry)
    app.add_typer(group, name="refund")
