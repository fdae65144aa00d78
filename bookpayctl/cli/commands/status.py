"""`status`: every process, its health and lag, who leads, and what is not settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from bookpayctl.cli.durations import age
from bookpayctl.cli.facts import json_value, listed, shown_capture, what_waits
from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    hint,
    leave,
    print_json,
    print_line,
    print_table,
)
from bookpayctl.report.money import shown_money

if TYPE_CHECKING:
    from bookpayctl.targets.status import (
        MovedByOthers,
        OpenPayments,
        ProcessStatus,
        Status,
        Waiting,
    )


def status(name: NameOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show every process: pid, uptime, restarts, port, health, lag; and the publisher's lock.

    Exits 0 when all is healthy, 1 when something is down, 3 when something could not be asked.

    Example: bookpayctl status -o json
    """
    from bookpayctl.targets.platforms import open_target

    found = open_target(environment_of(name)).status()
    document = status_document(found)
    if output is OutputFormat.JSON:
        print_json(document)
    else:
        print_status(found)
    for note in found.notes:
        hint(note)
    leave(document.code)


def status_document(found: Status) -> Document:
    """The status as a document."""
    code, reason = found.exit()
    return Document("Status", code, reason, status_body(found))


def print_status(found: Status) -> None:
    """The status as a table, and some lines on what no process shows."""
    headers = ("process", "state", "pid", "uptime", "restarts", "port", "lag", "health")
    print_table(headers, [_row(process) for process in found.processes])
    print_line()
    if found.captured:
        print_line(f"capture          {shown_capture(found)}")
    else:
        print_line(f"publisher lock   {_leader(found)}")
    print_line(f"payments open    {_open_payments(found)}")
    print_line(f"waiting          {_waiting(found)}")
    print_line(f"moved by others  {_moved_by_others(found)}")


def _row(process: ProcessStatus) -> tuple[str, ...]:
    return (
        process.name,
        process.state,
        _cell(process.pid),
        "-" if process.uptime_seconds is None else age(process.uptime_seconds),
        _cell(process.restarts),
        _cell(process.port),
        _cell(process.lag),
        _health(process),
    )


def _health(process: ProcessStatus) -> str:
    from bookpayctl.targets.status import UnknownFact

    if isinstance(process.ready, UnknownFact):
        return f"unknown: {process.ready.reason}"
    if process.ready:
        return "ready"
    return f"not ready: {process.detail}" if process.pid is not None else "down"


def _leader(found: Status) -> str:
    from bookpayctl.targets.status import UnknownFact

    leader = found.leader
    if isinstance(leader, UnknownFact):
        return f"unknown: {leader.reason}"
    if leader is None:
        return "nobody holds it"
    who = leader.publisher_id or "a session without a term"
    term = "" if leader.term is None else f", term {leader.term}"
    since = "" if leader.held_seconds is None else f", for {age(leader.held_seconds)}"
    slot = "" if leader.slot is None else f"; {leader.slot}"
    return f"{who} (backend {leader.backend_pid}{term}{since}{slot})"


def _open_payments(found: Status) -> str:
    def shown(payment: OpenPayments) -> str:
        return f"{payment.state} {payment.count} (oldest {age(payment.oldest_seconds)})"

    return listed(found.open_payments, shown, none="none")


def _waiting(found: Status) -> str:
    def shown(entry: Waiting) -> str:
        return f"{entry.what} {entry.count} (oldest {age(entry.oldest_seconds)})"

    return listed(what_waits(found), shown, none="nothing")


def _moved_by_others(found: Status) -> str:
    def shown(entry: MovedByOthers) -> str:
        return f"{entry.what} {entry.count} ({shown_money(entry.amount_cents, entry.currency)})"

    return listed(found.moved_by_others, shown, none="nothing")


def _cell(value: object) -> str:
    from bookpayctl.targets.status import UnknownFact

    if isinstance(value, UnknownFact):
        return "unknown"
    return "-" if value is None else str(value)


def status_body(found: Status) -> dict[str, Any]:
    """The status, JSON-ready."""
    return {
        "name": found.name,
        "processes": json_value(found.processes),
        "publisher_lock": json_value(found.leader),
        "capture": json_value(found.capture) if found.captured else None,
        "payments_open": json_value(found.open_payments),
        "waiting": json_value(found.waiting),
        "moved_by_others": json_value(found.moved_by_others),
        "notes": list(found.notes),
    }


def register(app: typer.Typer) -> None:
    app.command("status")(status)
