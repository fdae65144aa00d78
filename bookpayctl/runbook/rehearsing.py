"""A rehearsal: cause what a page is about, run the page to its proof, and put back what is left.

What could not be caused was not rehearsed: then the page is not run, and its answer is unknown. At
the end, however it came to it, whoever is frozen is woken, what the page says is to be done
afterwards is done, Stripe's faults are cleared, what is away is started, and who published before
publishes again, so that the next page finds a stack that is well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runbook.deciding import LOCAL, Chosen, rehearsal_id
from bookpayctl.runbook.execution import CannotRunError, OverdueError
from bookpayctl.runbook.expectation import Expectation
from bookpayctl.runbook.page import Runbook, Step
from bookpayctl.runbook.redaction import redacted
from bookpayctl.runbook.running import (
    RunbookRequest,
    run_runbook,
    type_until_right,
)
from bookpayctl.runs.interrupts import shielded
from bookpayctl.session import guard
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.platforms import open_target, supervisor_socket

SUPERVISOR: Final = "SUPERVISOR"
"""Names the supervisor's socket in the commands that cause a situation."""

WELL_AGAIN_SECONDS: Final = 240.0
"""For each of those; a cold start takes a minute and a half."""


def why_not_rehearsed(book: Runbook, environment: Environment) -> str | None:
    """Why its situation cannot be caused here; None where it can."""
    if not book.causes:
        return f"{book.slug} has no rehearsal: {book.unrehearsed}"
    if environment.target != LOCAL:
        return f"situations are caused on one machine, and {environment.name} is elsewhere"
    return None


def rehearse(request: RunbookRequest, observe: Callable[[str], None]) -> Report:
    """Cause the situation and go through the page.

    Args:
        request: with the whole page chosen; dangerous steps are not asked about.

    Raises:
        RefusedError: nothing may be disturbed here now.
        MissingVariableError, OSError: as `run_runbook` does.
    """
    book, environment = request.chosen.book, request.environment
    guard(environment)
    began, clock = datetime.now(UTC), time.monotonic()
    socket = supervisor_socket(environment)
    known = {} if socket is None else {SUPERVISOR: str(socket)}
    request = replace(request, values={**request.values, **known}, yes=True)
    try:
        observe(f"{book.slug}: causing it")
        causes = replace(request, chosen=Chosen(book, LOCAL, book.causes))
        caused = run_runbook(causes, observe)
        parts, items = [caused], [cause_item(book, caused)]
        if caused.code is ExitCode.PASS:
            observe(f"{book.slug}: going through the page")
            parts.append(run_runbook(request, observe))
            items += parts[-1].items
    finally:
        with shielded():
            left = _well_again(request, observe)
    dirty = [] if left is None else [ExitCode.DIRTY]
    last = parts[-1]
    return Report(
        kind="RehearsalReport",
        context=last.context,
        items=tuple(items),
        started_at=began.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - clock,
        each_must_answer=True,
        incidents=(*last.incidents, *dirty),
        run_dir=last.run_dir,
        notes=(*last.notes, *([] if left is None else [left])),
    )


def cause_item(book: Runbook, caused: Report) -> Item:
    """Whether the page's situation was there, as one answer."""
    title, required = (
        f"caused: {book.rehearsed or book.title}",
        "every command of Rehearsal answers as written",
    )
    done = [item for item in caused.items if item.verdict is Verdict.HOLDS]
    if caused.code is not ExitCode.PASS:
        wrong = next((item for item in caused.items if item not in done), None)
        reason = wrong.reason or wrong.observed if wrong else caused.reason
        missing = unanswered(rehearsal_id(book.slug), title, required, reason)
        return replace(missing, evidence=wrong.evidence if wrong else ())
    return Item(
        id=rehearsal_id(book.slug),
        title=title,
        verdict=Verdict.HOLDS,
        required=required,
        observed=f"{len(done)} commands answered as written",
        examined=len(done),
        evidence=tuple(item.title for item in done),
    )


def rehearsed_item(book: Runbook, report: Report) -> Item:
    """What a whole rehearsal came to, as one answer of several."""
    title, required = f"runbook {book.slug}", "its situation is caused, and the page ends it"
    wrong = [item for item in report.items if item.verdict not in (Verdict.HOLDS, Verdict.SKIPPED)]
    told = tuple(
        f"{item.id} {item.verdict.value}: {item.reason or item.observed}" for item in wrong
    )
    where = () if report.run_dir is None else (f"run: {report.run_dir}",)
    proven = sum(1 for item in report.items if item.verdict is Verdict.HOLDS)
    if report.code is ExitCode.PASS:
        seen = f"{proven} steps as on the page"
        return Item(f"runbook/{book.slug}", title, Verdict.HOLDS, required, seen, proven, where)
    if report.verdict is not Verdict.VIOLATED:
        reason = next((item.reason for item in wrong if item.reason), report.reason)
        item = unanswered(f"runbook/{book.slug}", title, required, reason)
        return replace(item, evidence=(*told, *where))
    return Item(
        id=f"runbook/{book.slug}",
        title=title,
        verdict=Verdict.VIOLATED,
        required=required,
        observed=wrong[0].observed,
        examined=len(report.items),
        evidence=(*told, *wrong[0].evidence, *where),
        fix=wrong[0].fix,
    )


def _well_again(request: RunbookRequest, observe: Callable[[str], None]) -> str | None:
    """Put back what the page left; why it is not as before, None where it is."""
    observe("putting back what is left of it")
    environment = request.environment
    target = open_target(environment)
    for name, process in target.processes().items():
        if process.running:
            target.thaw(name)
    commands = ("bookpayctl stripe fault clear", up_again(environment))
    steps = (*request.chosen.book.afterwards, *map(_again, commands))
    return next((wrong for step in steps if (wrong := _put_back(step, request))), None)


def up_again(environment: Environment) -> str:
    """How the environment is brought up as it was before the rehearsal."""
    publisher = environment.settings.get("publisher")
    return f"bookpayctl up --publisher {publisher}" if publisher else "bookpayctl up"


def _again(command: str) -> Step:
    return Step(0, "", 0, command, Expectation(), deadline_seconds=WELL_AGAIN_SECONDS)


def _put_back(step: Step, request: RunbookRequest) -> str | None:
    """Type a step until it answers as expected; why it did not, None where it did."""
    try:
        answer, found = type_until_right(step, request.environment, request.values).value
    except (CannotRunError, OverdueError) as error:
        return f"not put back: `{step.command}`: {error}"
    if not found.wrong:
        return None
    last = (answer.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return f"not put back: `{step.command}`: {found.wrong[0]}: {redacted(last, request.secrets)}"
