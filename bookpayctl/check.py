"""How checks are asked: in order, each to its end, with evidence, and without one hiding another.

A check that raises is unknown. A check that looked at nothing is vacuous and spoils the whole: a
checklist is only as good as its emptiest item. The content, the checks themselves, is in `checks`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final

from bookpayctl.replay.live import TOPICS
from bookpayctl.replay.ranges import ReplayRange
from bookpayctl.report.attempt import Attempt, is_settled, with_attempts
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, not_asked, unanswered
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.session import Observer, open_session
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.suppressions import Suppression
from bookpayctl.targets.target import Target

DEFAULT_DEADLINE_SECONDS: Final = 30.0

PAUSE_SECONDS: Final = 5.0
"""Between two attempts: some of the questions place an order or replay the log."""

WHOLE: Final = ReplayRange(TOPICS)
"""All that the worker reads, from earliest."""


class Category(StrEnum):
    """What a check is for."""

    CHECKLIST = "checklist"
    """Whether payments are wired correctly: the chapter's items, by behaviour."""
    OPERATIONS = "operations"
    """Whether the stack can be relied on now: what waits, what fills up, what drifts."""


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to ask the checks of, and how.

    Attributes:
        deadline_seconds: how long each wait inside a check may take.
        replay_range: what check 6 reads again.
        skipped: ids of checks that are reported as skipped.
        suppressions: checks that are asked and do not count until a day.
        wait_seconds: for so long what does not hold is asked again; 0: each is asked once.
        pause_seconds: between two attempts.
    """

    environment: Environment
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS
    replay_range: ReplayRange = WHOLE
    skipped: tuple[str, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    wait_seconds: float = 0.0
    pause_seconds: float = PAUSE_SECONDS
    strict: bool = False


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """What one check found; id, title and duration are added by the mechanism."""

    verdict: Verdict
    observed: str
    examined: int
    evidence: tuple[str, ...] = ()
    fix: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a check may use.

    Attributes:
        run: where probes are registered before they are made, and undo is promised.
        deadline_seconds: how long each wait inside a check may take.
        replay_range: what check 6 reads again.
    """

    target: Target
    run: Run
    observe: Observer
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS
    replay_range: ReplayRange = WHOLE

    @property
    def environment(self) -> Environment:
        return self.target.environment


@dataclass(frozen=True, slots=True)
class Check:
    """One question with a stable id.

    Attributes:
        category: CHECKLIST, or OPERATIONS.
        question: the checklist's sentence, as the operator knows it.
        required: what has to be true, testable by hand.
        why: what goes wrong in production when it is not.
        fix: where to start when it is not.
    """

    id: str
    title: str
    question: str
    required: str
    why: str
    fix: str
    ask: Callable[[Inquiry], CheckAnswer]
    category: Category = Category.CHECKLIST


def run_checks(checks: Sequence[Check], request: CheckRequest, observe: Observer) -> Report:
    """Ask each check in one run; those skipped are reported as such with the reason.

    What does not hold is asked again for `wait_seconds`, and what holds is not; a warning is good
    enough unless the request is strict. A signal ends the asking: what was answered until then is
    reported, with what came between.

    Raises:
        RefusedError: nothing may be asked here now.
    """
    began_at, began = datetime.now(UTC), time.monotonic()
    with open_session(request.environment, "check", observe) as session:
        asking = _Asking(
            checks,
            request,
            Inquiry(
                session.target,
                session.run,
                observe,
                request.deadline_seconds,
                request.replay_range,
            ),
        )
        wait_until(
            asking.attempt,
            lambda left: not left,
            deadline_seconds=request.wait_seconds,
            every_seconds=request.pause_seconds,
        )
    environment = request.environment
    report = Report(
        kind="CheckReport",
        context={
            "environment": environment.name,
            "target": environment.target,
            "stripe": environment.stripe_name,
            "run": session.run.run_id,
        },
        items=tuple(asking.answers()),
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - began,
        each_must_answer=True,
        strict=request.strict,
        incidents=tuple(session.incidents),
        run_dir=str(session.run.path),
        notes=tuple(suppression_notes(checks, request, began_at.date())),
        attempts=tuple(asking.attempts),
    )
    session.run.journal("verdict", verdict=report.verdict.value, code=int(report.code))
    return report


@dataclass(slots=True)
class _Asking:
    """What was answered until now, and in which attempt."""

    checks: Sequence[Check]
    request: CheckRequest
    inquiry: Inquiry
    items: dict[str, Item] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)

    def attempt(self) -> list[str]:
        """Ask what does not hold yet; the ids of what still does not."""
        now = datetime.now(UTC)
        number = len(self.attempts) + 1
        left = [check for check in self.checks if not self._is_settled(check.id)]
        if number > 1:
            self.inquiry.observe(f"attempt {number}: {len(left)} do not hold yet")
        self.attempts.append(Attempt(number, now.isoformat(timespec="milliseconds")))
        for check in left:
            skipped = check.id in self.request.skipped
            item = _skip(check) if skipped else _ask(check, self.inquiry)
            item = suppress(item, self.request.suppressions, now.date())
            self.inquiry.run.journal(
                "check",
                id=item.id,
                verdict=item.verdict.value,
                observed=item.observed,
                suppressed=item.suppressed,
                attempt=number,
            )
            self.items[check.id] = item
            self.attempts[-1] = self.attempts[-1].with_answer(item)
        return [check.id for check in self.checks if not self._is_settled(check.id)]

    def answers(self) -> list[Item]:
        """The last answer of each that was asked, in the order of the checks."""
        asked = [self.items[check.id] for check in self.checks if check.id in self.items]
        return [with_attempts(item, self.attempts) for item in asked]

    def _is_settled(self, check_id: str) -> bool:
        found = self.items.get(check_id)
        return found is not None and is_settled(found, strict=self.request.strict)


def _ask(check: Check, inquiry: Inquiry) -> Item:
    inquiry.observe(f"{check.id} {check.title}")
    began = time.monotonic()
    try:
        item = _item(check, check.ask(inquiry))
    except Exception as error:  # noqa: BLE001 - a question that failed is unknown, never a pass
        inquiry.run.journal("check_raised", id=check.id, error=repr(error))
        reason = f"{type(error).__name__}: {error}".strip()
        item = replace(
            unanswered(check.id, check.title, check.required, reason), fix="bookpayctl doctor"
        )
    return replace(item, duration_ms=int((time.monotonic() - began) * 1000))


def _item(check: Check, answer: CheckAnswer) -> Item:
    good = answer.verdict in (Verdict.HOLDS, Verdict.SKIPPED)
    return Item(
        id=check.id,
        title=check.title,
        verdict=answer.verdict,
        required=check.required,
        observed=answer.observed,
        examined=answer.examined,
        evidence=answer.evidence,
        fix="" if good else (answer.fix or check.fix),
        reason=answer.reason,
    )


def suppress(item: Item, suppressions: Sequence[Suppression], today: date) -> Item:
    """The answer with what makes it not count, where it is one that may be known and waited for.

    A warning or a violation may. What is unknown or examined nothing is no answer: to suppress it
    would make a pass of a question that nobody answered.
    """
    found = next((one for one in suppressions if one.id == item.id), None)
    if found is None or item.verdict not in (Verdict.WARNING, Verdict.VIOLATED):
        return item
    if found.has_ended(today):
        return replace(item, reason=f"its suppression ended: {found}")
    return replace(item, suppressed=str(found))


def suppression_notes(checks: Sequence[Check], request: CheckRequest, today: date) -> Iterator[str]:
    """What a reader has to know first: which of the checklist do not count, and what is over."""
    asked = {check.id: check for check in checks if check.id not in request.skipped}
    for found in request.suppressions:
        check = asked.get(found.id)
        if check is None:
            continue
        if found.has_ended(today):
            yield f"{found.id} counts again; its suppression ended: {found}"
        elif check.category is Category.CHECKLIST:
            yield f"{found.id} of the checklist does not count where it is violated, {found}"


def _skip(check: Check) -> Item:
    return not_asked(check.id, check.title, check.required, "skipped by --skip")


def judged(
    problems: Sequence[str], observed: str, examined: int, evidence: Sequence[str], fix: str = ""
) -> CheckAnswer:
    """The usual end of a check: violated if there are problems, else holds or vacuous."""
    if problems:
        seen = "; ".join(problems)
        return CheckAnswer(Verdict.VIOLATED, seen, examined, tuple(evidence), fix=fix)
    verdict = Verdict.HOLDS if examined > 0 else Verdict.VACUOUS
    return CheckAnswer(verdict, observed, examined, tuple(evidence))


def warned(
    worries: Sequence[str], observed: str, examined: int, evidence: Sequence[str], fix: str = ""
) -> CheckAnswer:
    """The end of a check of what is likely to go wrong: a warning if there are worries."""
    answer = judged(worries, observed, examined, evidence, fix)
    return replace(answer, verdict=Verdict.WARNING) if worries else answer


def cannot_tell(reason: str, *, fix: str = "", evidence: Sequence[str] = ()) -> CheckAnswer:
    """The answer when something needed for the question could not be reached."""
    return CheckAnswer(
        Verdict.UNKNOWN, "could not be evaluated", 0, tuple(evidence), fix=fix, reason=reason
    )
