"""Go through a page: type each step, compare, stop at the first that is not as expected.

Nothing is undone here: a runbook mends what is broken, and what it changes is meant to stay. Every
step is in the run's journal, as it was typed and answered, before the next one begins. No session
is opened: the commands of a page open their own, and one of them may be `recover`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runbook import deciding
from bookpayctl.runbook.deciding import Chosen
from bookpayctl.runbook.execution import CannotRunError, OverdueError, execute
from bookpayctl.runbook.matching import CommandAnswer, PageComparison, compare
from bookpayctl.runbook.page import Step, needed_by
from bookpayctl.runbook.redaction import redacted
from bookpayctl.runbook.variables import filled, words_of
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run
from bookpayctl.runs.interrupts import Stopped, interruptible
from bookpayctl.runs.waiting import Waited, wait_until
from bookpayctl.session import RefusedError, code_of_signal, refused_report
from bookpayctl.targets.environment import Environment

KIND: Final = "runbook"

AGAIN_SECONDS: Final = 2.0
"""Between two tries of a step that may take some time to answer as expected."""

KEPT_CHARACTERS: Final = 20_000
"""Of one answer, its end: where a command says what it came to."""

SHELL: Final = "/bin/sh"


class MissingVariableError(ValueError):
    """A step needs values that nobody gave; nothing was typed."""


@dataclass(frozen=True, slots=True)
class RunbookRequest:
    """What is to be run.

    Attributes:
        values: what stands for each $NAME from the beginning.
        yes: dangerous steps are not asked about.
        ask: asks a person about a dangerous step; None where nobody can be asked.
        secrets: texts that nothing written down may hold.
    """

    chosen: Chosen
    environment: Environment
    values: Mapping[str, str]
    yes: bool = False
    ask: Callable[[Step], bool] | None = None
    secrets: tuple[str, ...] = ()


@dataclass(slots=True)
class _Course:
    """Where a run stands."""

    run: Run
    values: dict[str, str]
    items: list[Item] = field(default_factory=list)
    incidents: list[ExitCode] = field(default_factory=list)
    ended: str = ""


def run_runbook(request: RunbookRequest, observe: Callable[[str], None]) -> Report:
    """Go through the chosen steps.

    Raises:
        MissingVariableError: see there.
        OSError: the run's folder could not be written.
    """
    chosen = request.chosen
    lacking = deciding.missing(needed_by(tuple(chosen.here)), request.values)
    if lacking:
        raise MissingVariableError(f"${lacking[0]} has no value; see --set {lacking[0]}=VALUE")
    began, clock = datetime.now(UTC), time.monotonic()
    refusal = deciding.refusal_of(chosen, yes=request.yes, can_ask=request.ask is not None)
    if refusal is not None:
        return refused_report("RunbookReport", request.environment, RefusedError(refusal))
    course = _Course(directory.begin(request.environment.runs_dir, KIND), dict(request.values))
    course.run.journal(KIND, slug=chosen.book.slug, sha256=chosen.book.sha256)
    try:
        with interruptible():
            for step in chosen.steps:
                course.items.append(_go_through(step, request, course, observe))
    except Stopped as stopped:
        course.incidents.append(code_of_signal(stopped.number))
        course.run.journal("stopped", signal=str(stopped))
        for step in chosen.steps[len(course.items) :]:
            course.items.append(_left_out(step, request, f"stopped by {stopped}"))
    if (vacuous := deciding.proven(chosen, course.items)) is not None:
        course.incidents.append(vacuous)
    report = _report(request, course, began, time.monotonic() - clock)
    course.run.journal("verdict", verdict=report.verdict.value, code=int(report.code))
    return report


def _go_through(
    step: Step, request: RunbookRequest, course: _Course, observe: Callable[[str], None]
) -> Item:
    reason = course.ended or deciding.why_skipped(step, request.chosen.platform, course.values)
    if reason:
        course.run.journal("step_skipped", number=step.number, reason=reason)
        return _left_out(step, request, reason)
    observe(f"step {step.number}  $ {_shown(step.command, request, course.values)}")
    if step.danger and not request.yes and request.ask is not None and not request.ask(step):
        course.incidents.append(ExitCode.REFUSED)
        course.ended = f"step {step.number} was not agreed to"
        course.run.journal("refused", reason=course.ended)
        return _left_out(step, request, course.ended)
    item = _typed(step, request, course)
    if item.verdict is not Verdict.HOLDS:
        course.ended = f"step {step.number} was not as expected"
    return item


def _typed(step: Step, request: RunbookRequest, course: _Course) -> Item:
    """Type a step, again while it may still come to what is expected, and write down its end."""
    slug = request.chosen.book.slug
    shown = _shown(step.command, request, course.values)
    title = deciding.title_of(step, shown)
    began = time.monotonic()
    course.run.journal("step_typed", number=step.number, command=shown, at_line=step.line)

    try:
        waited = type_until_right(step, request.environment, course.values)
    except OverdueError as error:
        course.incidents.append(ExitCode.DEADLINE)
        course.run.journal("step_overdue", number=step.number, reason=str(error))
        return deciding.overdue(slug, step, title, str(error))
    except CannotRunError as error:
        course.run.journal("step_impossible", number=step.number, reason=str(error))
        return unanswered(deciding.item_id(slug, step), title, "the command runs", str(error))
    answer, found = waited.value
    course.values.update(found.captured)
    clean = _without_secrets(found, request)
    item = deciding.answered(slug, step, title, answer, clean)
    course.run.journal(
        "step_answered",
        number=step.number,
        status=answer.status,
        attempts=waited.attempts,
        milliseconds=round((time.monotonic() - began) * 1000),
        verdict=item.verdict.value,
        wrong=list(clean.wrong),
        rows=list(clean.rows),
        captured=dict(clean.captured),
        stdout=_kept(answer.stdout, request),
        stderr=_kept(answer.stderr, request),
    )
    return item


def type_until_right(
    step: Step, environment: Environment, values: Mapping[str, str]
) -> Waited[tuple[CommandAnswer, PageComparison]]:
    """Type a step, again while it may still come to what is expected; its last answer, compared.

    Raises:
        CannotRunError, OverdueError: it gave none.
    """

    def once() -> tuple[CommandAnswer, PageComparison]:
        answer = execute(
            typed_words(step, values),
            variables(environment, values),
            deadline_seconds=step.deadline_seconds,
        )
        return answer, compare(step.expected, answer, values)

    return wait_until(
        once,
        lambda found: not found[1].wrong,
        deadline_seconds=step.within_seconds,
        every_seconds=AGAIN_SECONDS,
    )


def typed_words(step: Step, values: Mapping[str, str]) -> list[str]:
    """A step as the words of a command, each known $NAME filled in."""
    if not step.shell:
        return words_of(step.command, values)
    # Names are the shell's own variables there, so no value is read as a part of the command.
    return [SHELL, "-c", step.command]


def variables(environment: Environment, values: Mapping[str, str]) -> dict[str, str]:
    """What a child gets: the operator's own shell, the environment, and plain output."""
    own = {
        "BOOKPAY_NAME": environment.name,
        "BOOKPAY_HOME": str(environment.root.parent),
        "NO_COLOR": "1",
        # Nothing is folded that a page shows in one line.
        "COLUMNS": "200",
    }
    path = [str(environment.psql_dir)] if environment.psql_dir else []
    # Last: programs that came with this tool, for whoever has not activated its environment.
    path += [os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)]
    # What the shell has for libpq would lead a psql of the page to another database.
    shell = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**shell, **values, **own, "PATH": os.pathsep.join(path)}


def _left_out(step: Step, request: RunbookRequest, reason: str) -> Item:
    title = deciding.title_of(step, redacted(step.command, request.secrets))
    return deciding.not_typed(request.chosen.book.slug, step, title, reason)


def _shown(command: str, request: RunbookRequest, values: Mapping[str, str]) -> str:
    return redacted(filled(command, values), request.secrets)


def _kept(text: str, request: RunbookRequest) -> str:
    return redacted(text, request.secrets)[-KEPT_CHARACTERS:]


def _without_secrets(found: PageComparison, request: RunbookRequest) -> PageComparison:
    secrets = request.secrets
    return PageComparison(
        tuple(redacted(one, secrets) for one in found.wrong),
        {name: redacted(value, secrets) for name, value in found.captured.items()},
        tuple(redacted(row, secrets) for row in found.rows),
    )


def _report(request: RunbookRequest, course: _Course, began: datetime, seconds: float) -> Report:
    book, incidents = request.chosen.book, tuple(course.incidents)
    vacuous = "no step of Proof was run: nothing says that it is over"
    return Report(
        kind="RunbookReport",
        context={
            "environment": request.environment.name,
            "target": request.environment.target,
            "runbook": book.slug,
            "sha256": book.sha256,
        },
        items=tuple(course.items),
        started_at=began.isoformat(timespec="milliseconds"),
        duration_seconds=seconds,
        each_must_answer=True,
        incidents=incidents,
        run_dir=str(course.run.path),
        notes=(vacuous,) if ExitCode.VACUOUS in incidents else (),
    )
