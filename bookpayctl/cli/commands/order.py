"""`order`: place, list, show, trace and cancel orders, as a customer and as an operator."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn
from uuid import uuid4

import typer

from bookpayctl.cli.options import NameOption, OutputOption, environment_of, settings
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
from bookpayctl.report.money import shown_money

if TYPE_CHECKING:
    from bookpayctl.clients.orders_api import OrderReply
    from bookpayctl.load.probe_orders import Title
    from bookpayctl.operate.orders import OrderEntry
    from bookpayctl.targets.environment import Environment
    from bookpayctl.trace.collect import OrderTimeline
    from bookpayctl.trace.timeline import TimelineEntry

TimeoutOption = Annotated[
    str, typer.Option(metavar="DURATION", help="How long --wait may take; then exit 124.")
]

STATUSES: Final = ("pending", "paid", "cancelled", "refunded")

OUT_OF_REACH: Final[dict[str, tuple[str, ...]]] = {
    "pending": ("paid", "cancelled", "refunded"),
    "paid": ("cancelled", "refunded"),
    "cancelled": ("refunded",),
    "refunded": (),
}
"""Statuses from which an order never gets to the one waited for, so that waiting ends at once."""


def place(
    name: NameOption = None,
    item: Annotated[
        list[str] | None,
        typer.Option("--item", metavar="SKU=N", help="What to buy; default: one book in stock."),
    ] = None,
    customer: Annotated[str, typer.Option(help="Customer id.")] = "cust_demo",
    payment_method: Annotated[
        str, typer.Option(help="A Stripe test payment method.")
    ] = "pm_card_visa",
    key: Annotated[
        str | None, typer.Option(help="Idempotency-Key; repeat it to repeat the request.")
    ] = None,
    wait: Annotated[
        str | None, typer.Option(metavar="STATUS", help="Wait until the order has this status.")
    ] = None,
    timeout: TimeoutOption = "30s",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Place one order through POST /orders.

    Example: bookpayctl order place --item book-kafka=1 --wait paid
    """
    from bookpayctl.cli.durations import duration_of
    from bookpayctl.load import probe_orders

    if wait is not None and wait not in STATUSES:
        fail(f"--wait {wait!r} must be one of {', '.join(STATUSES)}", ExitCode.USAGE)
    deadline_seconds = duration_of(timeout, "--timeout")
    environment = environment_of(name)
    titles = _titles(environment)
    document = {
        "items": _items(item, titles),
        "currency": titles[0].currency,
        "customer_id": customer,
        "payment_method": payment_method,
    }
    client_key = key or f"cli-{uuid4()}"
    reply = probe_orders.orders_api(environment).place(document, client_key=client_key)
    if not reply.ok:
        _refused(reply, f"the order with key {client_key} was not accepted")
    did(f"order {reply.body['id']} placed, with key {client_key}")
    if reply.replayed:
        hint(f"key {client_key} was used before; this is the order it made then")
    if wait is not None:
        reply = _wait(environment, reply, wait, deadline_seconds)
    _end(reply.body, wait, "placed", output)


def list_orders(
    name: NameOption = None,
    status: Annotated[str | None, typer.Option(help="Only orders with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 20,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """The newest orders and where their payments stand.

    Example: bookpayctl order list --status paid --limit 5
    """
    from bookpayctl.clients.database import reading
    from bookpayctl.operate.orders import newest_orders

    if status is not None and status not in STATUSES:
        fail(f"--status {status!r} must be one of {', '.join(STATUSES)}", ExitCode.USAGE)
    environment = environment_of(name)
    with _database(environment), reading(environment.dsn) as conn:
        orders = newest_orders(conn, status=status, limit=limit)
    if output is OutputFormat.JSON:
        print_json(order_list(orders))
        return
    print_table(
        ("order", "status", "payment", "amount", "created", "payment intent"),
        [
            (
                order.id,
                order.status,
                order.payment or "-",
                shown_money(order.total_cents, order.currency),
                f"{order.created_at:%H:%M:%S}",
                order.intent or "-",
            )
            for order in orders
        ],
    )


def order_list(orders: Sequence[OrderEntry]) -> Document:
    """The list as a document."""
    body = {"orders": [asdict(order) for order in orders]}
    return Document("OrderList", ExitCode.PASS, "listed", body)


def show(
    order_id: Annotated[str, typer.Argument(metavar="ORDER", help="As `order list` shows it.")],
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """One order as its customer sees it, GET /orders/ORDER.

    Example: bookpayctl order show ORDER
    """
    from bookpayctl.load import probe_orders

    environment = environment_of(name)
    reply = probe_orders.orders_api(environment).get(order_id)
    if not reply.ok:
        _refused(reply, f"order {order_id} could not be read")
    _print_order(reply.body, ExitCode.PASS, "found", output)
    _hint_of_others(environment, order_id)


def _hint_of_others(environment: Environment, order_id: str) -> None:
    """What a customer is not shown: money that others moved; silent where it cannot be asked."""
    from bookpayctl.clients.database import DatabaseError, reading
    from bookpayctl.operate.moved import moved_of_order

    try:
        with reading(environment.dsn) as conn:
            moved = moved_of_order(conn, order_id)
    except DatabaseError:
        return
    for entry in moved:
        hint(entry.sentence())


def cancel(
    order_id: Annotated[str, typer.Argument(metavar="ORDER", help="As `order list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the order.")] = "customer_request",
    name: NameOption = None,
    wait: Annotated[
        str | None, typer.Option(metavar="STATUS", help="Wait for cancelled or refunded.")
    ] = None,
    timeout: TimeoutOption = "30s",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Cancel an order; what was paid goes back.

    Example: bookpayctl order cancel ORDER --wait refunded
    """
    from bookpayctl.cli.durations import duration_of
    from bookpayctl.load import probe_orders

    if wait not in (None, "cancelled", "refunded"):
        fail(f"--wait {wait!r} must be cancelled or refunded", ExitCode.USAGE)
    deadline_seconds = duration_of(timeout, "--timeout")
    environment = environment_of(name)
    reply = probe_orders.orders_api(environment).cancel(order_id, reason)
    if not reply.ok:
        _refused(reply, f"order {order_id} could not be cancelled")
    did(f"the cancellation of order {order_id} was accepted")
    if wait is not None:
        reply = _wait(environment, reply, wait, deadline_seconds, order_id=order_id)
    _end({"id": order_id, **reply.body}, wait, "accepted", output)


def trace(
    identifier: Annotated[
        str, typer.Argument(metavar="ORDER", help="Or its root event, or its pi_...")
    ],
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """One order's whole story, in time order, from PostgreSQL, Kafka and Stripe.

    Example: bookpayctl order trace ORDER
    """
    from bookpayctl.targets.platforms import open_target
    from bookpayctl.trace.collect import OrderUnknownError, collect
    from bookpayctl.trace.timeline import timeline

    environment = environment_of(name)
    with _database(environment):
        try:
            found = collect(open_target(environment), identifier)
        except OrderUnknownError as error:
            fail(str(error), ExitCode.USAGE, fix="bookpayctl order list")
    found.link(settings({})["trace_url"].text)
    entries = timeline(found.events)
    document = order_trace(found, entries)
    if output is OutputFormat.JSON:
        print_json(document)
        leave(document.code)
    print_trace(found, entries)
    for note in found.notes:
        hint(note)
    leave(document.code)


def order_trace(found: OrderTimeline, entries: Sequence[TimelineEntry]) -> Document:
    """The timeline as a document; one with a ledger left out must not pass for the whole one."""
    body = {
        "order": found.order,
        "event_id": found.root_event_id,
        "trace_id": found.trace_id,
        "trace_url": found.trace_url,
        "missing": found.missing,
        "notes": found.notes,
        "moments": [_entry_document(entry) for entry in entries],
    }
    code = ExitCode.UNKNOWN if found.missing else ExitCode.PASS
    return Document("OrderTrace", code, "incomplete" if found.missing else "told", body)


def print_trace(found: OrderTimeline, entries: Sequence[TimelineEntry]) -> None:
    """The timeline as a table, and what it could not tell."""
    order = found.order
    print_line(
        f"{order['id']}  {order['status']}  {shown_money(order['total_cents'], order['currency'])}"
        f"  key {found.root_event_id or 'none'}"
    )
    if found.trace_id is not None:
        print_line(f"trace {found.trace_url or found.trace_id}")
    print_table(
        ("time", "gap ms", "ledger", "what", "detail"),
        [
            (
                f"{entry.event.at:%H:%M:%S.%f}"[:-3],
                "" if entry.gap_ms is None else f"+{entry.gap_ms:g}",
                entry.event.ledger,
                entry.event.what,
                entry.event.detail,
            )
            for entry in entries
        ],
    )
    for missing in found.missing:
        print_line(f"not told: {missing}")


def _titles(environment: Environment) -> list[Title]:
    from bookpayctl.load import probe_orders

    with _database(environment):
        titles = probe_orders.titles_in_stock(environment)
    if not titles:
        fail("nothing is in stock", ExitCode.VIOLATED, fix="bookpayctl up")
    return titles


def _items(given: list[str] | None, titles: list[Title]) -> list[dict[str, Any]]:
    if not given:
        return [{"sku": titles[0].sku, "quantity": 1}]
    items = []
    for text in given:
        sku, _, count = text.partition("=")
        if not sku or not (count or "1").isdigit():
            fail(f"--item {text!r} must be SKU or SKU=N", ExitCode.USAGE)
        items.append({"sku": sku, "quantity": int(count or "1")})
    return items


def _wait(
    environment: Environment,
    reply: OrderReply,
    status: str,
    deadline_seconds: float,
    *,
    order_id: str | None = None,
) -> OrderReply:
    """Read the order until it has the status, or can no longer get it, or the deadline."""
    from bookpayctl.load import probe_orders
    from bookpayctl.runs.waiting import wait_until

    api = probe_orders.orders_api(environment)
    wanted = order_id or reply.body["id"]
    waited = wait_until(
        lambda: api.get(wanted),
        lambda seen: seen.ok and seen.body.get("status") in {status, *OUT_OF_REACH[status]},
        deadline_seconds=deadline_seconds,
    )
    if not waited.value.ok:
        _refused(waited.value, f"order {wanted} could not be read while waiting")
    return waited.value


def _end(order: dict[str, Any], wanted: str | None, reason: str, output: OutputFormat) -> NoReturn:
    """Print the order and leave: 0, 1 when it can no longer become what was wanted, or 124."""
    status = str(order.get("status"))
    code = ExitCode.PASS
    if wanted is not None and status != wanted:
        gone = status in OUT_OF_REACH[wanted]
        code, reason = (
            (ExitCode.VIOLATED, f"is_{status}") if gone else (ExitCode.DEADLINE, "deadline")
        )
    _print_order(order, code, reason, output)
    if code is not ExitCode.PASS:
        hint(f"the order is {status}, not {wanted}; see: bookpayctl order trace {order['id']}")
    leave(code)


def _refused(reply: OrderReply, what: str) -> NoReturn:
    """No answer is unknown, an id that is none is usage, any other refusal is a violation."""
    if reply.not_found:
        fail(f"{what}: {reply.problem()}", ExitCode.USAGE, fix="bookpayctl order list")
    code = ExitCode.UNKNOWN if reply.status is None or reply.status >= 500 else ExitCode.VIOLATED
    fail(f"{what}: {reply.problem()}", code, fix="bookpayctl status")


def _print_order(order: dict[str, Any], code: ExitCode, reason: str, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json(Document("Order", code, reason, {"order": order}))
        return
    payment = order.get("payment") or {}
    rows = [
        ("order", order.get("id")),
        ("status", order.get("status")),
        ("amount", _amount(order)),
        ("event id", order.get("event_id")),
        ("payment", payment.get("state", "-")),
        ("payment intent", payment.get("payment_intent_id") or "-"),
    ]
    if order.get("cancel_reason"):
        rows.append(("cancelled for", order["cancel_reason"]))
    print_table(("field", "value"), rows)


def _amount(order: dict[str, Any]) -> str:
    """What it costs; a dash where the answer did not say, as that to a cancellation does not."""
    if "total_cents" not in order:
        return "-"
    return shown_money(order["total_cents"], order.get("currency", ""))


def _entry_document(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "at": entry.event.at.isoformat(),
        "gap_ms": entry.gap_ms,
        "since_start_ms": entry.since_start_ms,
        "ledger": entry.event.ledger,
        "what": entry.event.what,
        "detail": entry.event.detail,
    }


def _database(environment: Environment) -> AbstractContextManager[None]:
    """Turn a database that does not answer into one line and exit 3."""
    from bookpayctl.cli.errors import database_answers

    return database_answers(environment)


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Place and follow orders.", no_args_is_help=True)
    group.command("place")(place)
    group.command("list")(list_orders)
    group.command("show")(show)
    group.command("trace")(trace)
    group.command("cancel")(cancel)
    app.add_typer(group, name="order")
