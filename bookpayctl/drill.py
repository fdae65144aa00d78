"""How a drill is run: guard, steady state, load, fault, proof, observation, undo, audit, verdict.

The order is the promise. What has to be undone is on disk before the fault is; the undo runs
whatever happens, also when the tool is told to stop; and a fault that cannot be proven to have
landed makes the drill unknown, never passed. The content, one file per drill, is in `drills`.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bookpayctl.faults.fault import Fault
from bookpayctl.judge import quiescence
from bookpayctl.judge.audit import AuditRequest, audit
from bookpayctl.judge.readers.stripe import why_nothing_is_paid
from bookpayctl.load.background import BackgroundLoad
from bookpayctl.load.history import read_history
from bookpayctl.load.sender import Accepted
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs.directory import Run
from bookpayctl.session import Observer, RefusedError, Session, not_run_report, open_session
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.platforms import open_target
from bookpayctl.targets.target import Target

STEADY_DEADLINE_SECONDS: Final = 20.0

# The load runs this long before the fault, so that there is a steady state to disturb.
HEAD_START_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """What to run it on and how hard.

    Attributes:
        point: where the fault strikes, one of the drill's points.
        deadline_seconds: how long each wait may take, and the bound for recovery.
        audited: whether the drill ends with its own audit; a caller that audits more than the
            drill's orders does it itself.
    """

    environment: Environment
    point: str
    rate_per_second: float = 10.0
    duration_seconds: float = 10.0
    deadline_seconds: float = 60.0
    seed: int = 0
    strict: bool = False
    audited: bool = True


@dataclass(frozen=True, slots=True)
class DrillContext:
    """What a drill's own steps may use."""

    slug: str
    request: DrillRequest
    session: Session

    @property
    def environment(self) -> Environment:
        return self.request.environment

    @property
    def target(self) -> Target:
        return self.session.target

    @property
    def run(self) -> Run:
        return self.session.run

    @property
    def deadline_seconds(self) -> float:
        return self.request.deadline_seconds

    def observe(self, text: str) -> None:
        """Say what is going on."""
        self.session.observe(text)

    def judged(
        self,
        name: str,
        title: str,
        required: str,
        observed: str,
        *,
        good: bool,
        examined: int,
        evidence: Sequence[str] = (),
        fix: str = "",
    ) -> Item:
        """An item of this drill that was answered; one that examined nothing is vacuous."""
        answered = Verdict.HOLDS if good else Verdict.VIOLATED
        return Item(
            id=f"{self.slug}/{name}",
            title=title,
            verdict=answered if examined > 0 or not good else Verdict.VACUOUS,
            required=required,
            observed=observed,
            examined=examined,
            evidence=tuple(evidence),
            fix="" if good else fix,
        )

    def unanswered(self, name: str, title: str, required: str, reason: str) -> Item:
        """An item of this drill whose question could not be answered."""
        return unanswered(f"{self.slug}/{name}", title, required, reason)


class Scenario(ABC):
    """One drill under way: its faults, how they are injected, and what is watched afterwards."""

    aids: Sequence[Fault] = ()
    """Changes that only help to see; they are undone like faults and need no proof."""

    def __init__(self, context: DrillContext) -> None:
        self.context = context

    @property
    @abstractmethod
    def faults(self) -> Sequence[Fault]:
        """What is tested: each must be proven to have landed."""

    def inject(self) -> None:
        """Cause them, in order, after the aids."""
        for fault in (*self.aids, *self.faults):
            fault.inject()

    @abstractmethod
    def observe(self) -> list[Item]:
        """What followed; asked only when every fault is proven."""


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill: its question and expected answer are said before it acts.

    Attributes:
        points: where it can strike, name -> meaning; the first is the default.
    """

    slug: str
    question: str
    expected: str
    blast_radius: str
    points: dict[str, str]
    scenario: type[Scenario]


@dataclass(slots=True)
class _Progress:
    """What a run has learnt so far; kept outside the steps so that a signal loses none of it."""

    items: list[Item] = field(default_factory=list)
    incidents: list[ExitCode] = field(default_factory=list)
    accepted: Accepted | None = None
    touched: bool = False


def plan(drill: Drill, request: DrillRequest) -> list[tuple[str, str]]:
    """What running it would do, without doing any of it."""
    environment = request.environment
    return [
        ("question", drill.question),
        ("expected", drill.expected),
        ("environment", f"{environment.name} ({environment.target}) at {environment.root}"),
        ("load", f"{request.rate_per_second:g} orders/s for {request.duration_seconds:g} s, ok"),
        ("fault", f"{request.point}: {drill.points[request.point]}"),
        ("blast radius", drill.blast_radius),
        ("undo", "promised on disk before the fault; `bookpayctl recover` after a kill"),
        ("proof", "without it the verdict is unknown, exit 3"),
        ("bound", f"every wait ends after {request.deadline_seconds:g} s"),
    ]


def run_drill(drill: Drill, request: DrillRequest, observe: Observer) -> Report:
    """Run one drill to its verdict; the undo has run when this returns.

    Where no payment can end, nothing is begun: no order is placed and nothing is broken, and the
    one answer is unknown, with the reason.

    Raises:
        RefusedError: nothing may be disturbed here now; nothing was.
    """
    if request.environment.settings.get("failpoints") == "off":
        raise RefusedError("this environment was brought up with failpoints off")
    forbidden = open_target(request.environment).why_not_broken()
    if forbidden is not None:
        raise RefusedError(forbidden)
    unpaid = why_nothing_is_paid(request.environment)
    if unpaid is not None:
        return not_run_report("DrillReport", request.environment, drill.slug, unpaid)
    began_at, began = datetime.now(UTC), time.monotonic()
    progress = _Progress()
    with open_session(request.environment, drill.slug, observe) as session:
        context = DrillContext(drill.slug, request, session)
        context.run.journal("begin", drill=drill.slug, point=request.point, seed=request.seed)
        try:
            _act(drill, context, progress)
        except Exception as error:  # noqa: BLE001 - whatever broke, it is reported and undone
            context.run.journal("raised", error=repr(error))
            progress.items.append(
                context.unanswered("ran", "the drill ran to its end", "no error", f"{error!r}")
            )
    progress.incidents += session.incidents
    if progress.touched:
        progress.items.append(_undone_item(context))
        if not progress.incidents:
            _conclude(context, progress)
    report = _report(context, progress, began_at, time.monotonic() - began)
    context.run.journal("verdict", verdict=report.verdict.value, code=int(report.code))
    return report


def _act(drill: Drill, context: DrillContext, progress: _Progress) -> None:
    steady = _steady_state(context)
    progress.items.append(steady)
    if steady.verdict is not Verdict.HOLDS:
        progress.incidents.append(ExitCode.REFUSED)
        return
    progress.touched = True
    scenario = drill.scenario(context)
    for fault in (*scenario.aids, *scenario.faults):
        fault.plan_undo()
    stop = threading.Event()
    load = _load(context, stop)
    try:
        load.start()
        stop.wait(HEAD_START_SECONDS)
        context.observe(f"injecting {context.request.point}")
        scenario.inject()
        context.run.journal("injected", point=context.request.point)
        if load.has_accepted(context.deadline_seconds):
            progress.items += _prove_and_observe(scenario)
        context.observe("waiting for the rest of the load")
        load.finish()
    finally:
        stop.set()
        progress.accepted = load.accepted()
    progress.items.append(_load_item(context, progress.accepted))


def _prove_and_observe(scenario: Scenario) -> list[Item]:
    """The proofs, and what followed; after a fault that did not land nothing followed from it."""
    proofs = [
        item
        for fault in scenario.faults
        for item in fault.prove(deadline_seconds=scenario.context.deadline_seconds)
    ]
    if any(item.verdict is not Verdict.HOLDS for item in proofs) or not proofs:
        return proofs
    return [*proofs, *scenario.observe()]


def _steady_state(context: DrillContext) -> Item:
    """Every process runs and nothing moves, or the drill does not begin."""
    title, required = "steady state before", "every process running, nothing in motion"
    context.observe("checking the steady state")
    try:
        processes = context.target.processes().values()
    except TargetError as error:
        return context.unanswered("steady-state", title, required, str(error))
    down = [f"{process.name} is {process.state}" for process in processes if not process.running]
    # With a process down nothing comes to rest by waiting.
    patience = 0.0 if down else STEADY_DEADLINE_SECONDS
    rest = quiescence.wait_until_quiescent(context.environment, deadline_seconds=patience)
    problems = [*down, *([] if rest.reached else [rest.value.sentence()])]
    return context.judged(
        "steady-state",
        title,
        required,
        "; ".join(problems) or f"{len(processes)} processes running; {rest.value.sentence()}",
        good=not problems,
        examined=len(processes),
        fix="bookpayctl status",
    )


def _load(context: DrillContext, stop: threading.Event) -> BackgroundLoad:
    request = context.request
    return BackgroundLoad(
        context.environment,
        context.run,
        stop,
        rate_per_second=request.rate_per_second,
        duration_seconds=request.duration_seconds,
        seed=request.seed,
    )


def _load_item(context: DrillContext, accepted: Accepted | None) -> Item:
    seen = "the load did not run"
    if accepted is not None:
        seen = f"{accepted.ok} accepted, {accepted.fail} refused, {accepted.unknown} unknown"
    return context.judged(
        "orders-placed",
        "orders were placed meanwhile",
        "at least 1 order accepted while the fault was in place",
        seen,
        good=True,
        examined=accepted.ok if accepted else 0,
        evidence=[f"{n} x {why}" for why, n in (accepted.refusals if accepted else {}).items()],
    )


def _undone_item(context: DrillContext) -> Item:
    undone = context.session.undone
    errors = [result.error for result in undone if result.error]
    return context.judged(
        "undone",
        "everything was undone",
        "every promised undo carried out and seen to have taken effect",
        "; ".join(errors) or ", ".join(result.entry.op for result in undone),
        good=not errors,
        examined=len(undone),
        fix="bookpayctl recover",
    )


def _conclude(context: DrillContext, progress: _Progress) -> None:
    """Let the stack come to rest, then audit it with this run's history."""
    if progress.accepted is None or progress.accepted.ok == 0:
        progress.incidents.append(ExitCode.VACUOUS)
        return
    try:
        progress.items.append(_rest_item(context))
        if context.request.audited:
            report = _audit(context)
            progress.items += report.items
            progress.incidents += report.incidents
    except Exception as error:  # noqa: BLE001 - an audit that broke has not acquitted anyone
        context.run.journal("raised", error=repr(error))
        progress.items.append(
            context.unanswered(
                "audited", "the orders were audited", "an audit to its end", f"{error!r}"
            )
        )


def _rest_item(context: DrillContext) -> Item:
    seconds = context.deadline_seconds
    context.observe("waiting for the stack to come to rest")
    rest = quiescence.wait_until_quiescent(context.environment, deadline_seconds=seconds)
    return context.judged(
        "at-rest",
        "the stack came to rest",
        f"nothing in motion within {seconds:.0f} s",
        f"after {rest.seconds:.1f} s: {rest.value.sentence()}",
        good=rest.reached,
        examined=1,
    )


def _audit(context: DrillContext) -> Report:
    with context.run.history_path.open(encoding="utf-8") as lines:
        history = read_history(lines)
    request = AuditRequest(
        context.environment,
        age_seconds=0.0,
        deadline_seconds=context.deadline_seconds,
        history=history,
        run=context.run,
    )
    return audit(request, context.observe)


def _report(
    context: DrillContext, progress: _Progress, began_at: datetime, seconds: float
) -> Report:
    environment = context.environment
    return Report(
        kind="DrillReport",
        context={
            "drill": context.slug,
            "point": context.request.point,
            "environment": environment.name,
            "target": environment.target,
            "stripe": environment.stripe_name,
            "seed": str(context.request.seed),
            "run": context.run.run_id,
        },
        items=tuple(progress.items),
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=seconds,
        each_must_answer=False,
        strict=context.request.strict,
        incidents=tuple(progress.incidents),
        run_dir=str(context.run.path),
    )
