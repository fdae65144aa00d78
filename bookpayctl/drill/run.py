"""How a drill is run: guard, steady state, load, fault, proof, observation, undo, audit, verdict.

The order is the promise. What has to be undone is on disk before the fault is; the undo runs
whatever happens, also when the tool is told to stop; and a fault that cannot be proven to have
landed makes the drill unknown, never passed.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bookpayctl.drill.phase import Phase
from bookpayctl.drill.scenario import Drill, DrillContext, DrillRequest, Scenario
from bookpayctl.drill.unrest import what_keeps_it
from bookpayctl.judge import quiescence
from bookpayctl.judge.audit import AuditRequest, audit
from bookpayctl.judge.readers.stripe import why_nothing_is_paid
from bookpayctl.judge.stacks.ours import OurStack
from bookpayctl.load.background import BackgroundLoad
from bookpayctl.load.history import read_history
from bookpayctl.load.sender import Accepted
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs.directory import read_undo
from bookpayctl.runs.interrupts import Stopped, interruptible
from bookpayctl.session import (
    Observer,
    RefusedError,
    code_of_signal,
    not_run_report,
    open_session,
)
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.platforms import cluster_of, open_target
from bookpayctl.targets.target import Target

STEADY_DEADLINE_SECONDS: Final = 20.0

# The load runs this long before the fault, so that there is a steady state to disturb.
HEAD_START_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Progress:
    """What a run has learnt so far; kept outside the steps so that a signal loses none of it."""

    items: list[Item] = field(default_factory=list)
    incidents: list[ExitCode] = field(default_factory=list)
    accepted: Accepted | None = None
    touched: bool = False


def run_drill(drill: Drill, request: DrillRequest, observe: Observer) -> Report:
    """Run one drill to its verdict; the undo has run when this returns.

    Where no payment can end, nothing is begun: no order is placed and nothing is broken, and the
    one answer is unknown, with the reason.

    Raises:
        RefusedError: nothing may be disturbed here now; nothing was.
    """
    forbidden = why_not_here(drill, request.environment, request.point)
    if forbidden is not None:
        raise RefusedError(forbidden)
    unpaid = why_nothing_is_paid(request.environment)
    if unpaid is not None:
        return not_run_report("DrillReport", request.environment, drill.slug, unpaid)
    began_at, began = datetime.now(UTC), time.monotonic()
    progress = _Progress()
    with open_session(
        request.environment, drill.slug, observe, keeps=request.keeps_fault
    ) as session:
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
    if progress.touched and request.keeps_fault:
        progress.items.append(_kept_item(context))
    elif progress.touched:
        progress.items.append(_undone_item(context))
        if not progress.incidents:
            _conclude_unless_stopped(context, progress)
    report = _report(context, progress, began_at, time.monotonic() - began)
    context.run.journal("verdict", verdict=report.verdict.value, code=int(report.code))
    return report


def why_not_here(drill: Drill, environment: Environment, point: str | None = None) -> str | None:
    """Why a drill cannot be run on an environment, as both are; None where it can."""
    elsewhere = drill.why_not_on(environment, point)
    if elsewhere is not None:
        return elsewhere
    if environment.settings.get("failpoints") == "off":
        return "this environment was brought up with failpoints off"
    target = open_target(environment)
    return target.why_not_broken() or _why_not_permitted(drill, target) or drill.why_not(target)


def _why_not_permitted(drill: Drill, target: Target) -> str | None:
    """What the account lacks for it, asked before anything is done."""
    cluster = cluster_of(target)
    if cluster is None or not drill.acts:
        return None
    return cluster.why_not_permitted(drill.acts)


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
    scenario.prepare()
    stop = threading.Event()
    load = _load(context, stop, scenario)
    scenario.finish_load = load.finish
    _pause(context, Phase.INJECT)
    try:
        load.start()
        stop.wait(HEAD_START_SECONDS)
        context.observe(f"injecting {context.request.point}")
        context.run.journal("injecting", point=context.request.point)
        scenario.inject()
        context.run.journal("injected", point=context.request.point)
        if load.has_accepted(context.deadline_seconds):
            progress.items += _prove_and_observe(scenario, progress)
        context.observe("waiting for the rest of the load")
        load.finish()
    finally:
        stop.set()
        progress.accepted = load.accepted()
    progress.items.append(_load_item(context, progress.accepted))
    _pause(context, Phase.UNDO)


def _pause(context: DrillContext, phase: Phase) -> None:
    """Let the operator look, where the request says so; a signal ends it as it ends all else."""
    if context.request.pause_before is phase:
        context.run.journal("paused", before=phase.value)
        context.request.pause(f"paused before {phase.value}")
        context.run.journal("resumed", before=phase.value)


def _prove_and_observe(scenario: Scenario, progress: _Progress) -> list[Item]:
    """The proofs, and what followed; after a fault that did not land nothing followed from it.

    Where there was nothing to prove, nothing was broken, and the whole is vacuous.
    """
    proofs = [
        item
        for fault in scenario.faults
        for item in fault.prove(deadline_seconds=scenario.context.deadline_seconds)
    ]
    if all(item.verdict is Verdict.VACUOUS for item in proofs):
        progress.incidents.append(ExitCode.VACUOUS)
        return proofs
    if any(item.verdict is not Verdict.HOLDS for item in proofs) and not scenario.observes_anyway:
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
        evidence=what_keeps_it(context.target) if problems else (),
        fix="bookpayctl status",
    )


def _load(context: DrillContext, stop: threading.Event, scenario: Scenario) -> BackgroundLoad:
    request = context.request
    return BackgroundLoad(
        context.environment,
        context.run,
        stop,
        rate_per_second=request.rate_per_second,
        duration_seconds=request.duration_seconds,
        seed=request.seed,
        mix=scenario.mix,
        asks_again=scenario.clients_ask_again,
    )


def _load_item(context: DrillContext, accepted: Accepted | None) -> Item:
    seen = "the load did not run"
    if accepted is not None:
        seen = f"{accepted.ok} accepted, {accepted.fail} refused, {accepted.unknown} unknown"
        seen += f", {accepted.asked_again} asked for again" if accepted.asked_again else ""
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


def _kept_item(context: DrillContext) -> Item:
    """What is still in place on purpose; a stack in that state acquits nobody."""
    kept = [entry.op for entry in read_undo(context.run.path) if not entry.done]
    return context.unanswered(
        "undone",
        "everything was undone",
        "every promised undo carried out and seen to have taken effect",
        f"kept as asked: {', '.join(kept) or 'nothing'}; `bookpayctl recover` undoes it, and only"
        " then the orders can be judged",
    )


def _conclude_unless_stopped(context: DrillContext, progress: _Progress) -> None:
    """A signal ends the judging; what was seen until then is reported all the same."""
    try:
        with interruptible():
            _conclude(context, progress)
    except Stopped as stopped:
        progress.incidents.append(code_of_signal(stopped.number))
        context.observe(f"stopped by {stopped}")


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
        evidence=() if rest.reached else what_keeps_it(context.target),
        fix="bookpayctl status",
    )


def _audit(context: DrillContext) -> Report:
    with context.run.history_path.open(encoding="utf-8") as lines:
        history = read_history(lines)
    request = AuditRequest(
        OurStack(context.environment),
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
