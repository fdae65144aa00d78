"""How a command tells what became of an operator's requests, and the exit code for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from bookpayctl.cli.errors import database_answers
from bookpayctl.cli.output import Document, OutputFormat, did, hint, leave, print_json, print_table
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.operate.requests import OperatorReply, OperatorRequest
    from bookpayctl.targets.environment import Environment

REASONS = {
    ExitCode.PASS: "done",
    ExitCode.REFUSED: "refused",
    ExitCode.DEADLINE: "not_handled_yet",
    ExitCode.VACUOUS: "nothing_selected",
}


def submit_and_report(
    environment: Environment,
    requests: Sequence[OperatorRequest],
    name_of: Callable[[OperatorRequest], str],
    output: OutputFormat,
    *,
    per_second: float | None = None,
) -> NoReturn:
    """Ask for each request, tell what became of it, and end the command.

    Exits 0 when all was done, 6 when the runtime refused one, 124 when one was not handled in
    time (it stays on record and is handled when the reconciler runs), 5 when there was none.
    """
    from bookpayctl.operate.requests import submit

    with database_answers(environment):
        replies = submit(environment.dsn, requests, per_second=per_second)
    for reply in replies:
        did(f"{name_of(reply.request)}: {reply.result}")
    code = exit_of(replies)
    rows = [(name_of(reply.request), reply.result, reply.detail) for reply in replies]
    if output is OutputFormat.JSON:
        print_json(operator_requests(rows, code))
    else:
        print_table(("what", "result", "detail"), rows)
    if code is ExitCode.DEADLINE:
        hint("the reconciler carries requests out; fix: bookpayctl status")
    leave(code)


def operator_requests(rows: Sequence[tuple[str, str, str]], code: ExitCode) -> Document:
    """What became of each request, as a document: subject, result and detail."""
    names = ("subject", "result", "detail")
    body = {"requests": [dict(zip(names, row, strict=True)) for row in rows]}
    return Document("OperatorRequests", code, REASONS[code], body)


def exit_of(replies: Sequence[OperatorReply]) -> ExitCode:
    """The exit code for what became of all requests, pure."""
    results = {reply.result for reply in replies}
    if not results:
        return ExitCode.VACUOUS
    if "open" in results:
        return ExitCode.DEADLINE
    return ExitCode.REFUSED if "refused" in results else ExitCode.PASS
