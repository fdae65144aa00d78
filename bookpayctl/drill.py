"""How a drill is run: guard, steady state, load, fault, proof, observation, undo, audit, verdict.

The order is the promise. What has to be undone is on disk before the fault is; the undo runs
whatever happens, also when the tool is told to stop; and a fault that cannot be proven to have
landed makes the drill unknown, never passed. The content, one file per drill, is in `drills`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bookpayctl.faults import undo
from bookpayctl.judge import quiescence
from bookpayctl.judge.audit import AuditRequest, audit
from bookpayctl.load import plan as arrivals
from bookpayctl.load.history import HistoryFile, read_history
from bookpayctl.load.sender import Accepted, Load
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run
from bookpayctl.runs.interrupts import Stopped, interruptible, shielded
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.local.supervise import endings
from bookpayctl.targets.local.supervise.supervisor import SupervisorError

Observer = Callable[[str], None]

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
class Stage:
    """What a drill's own steps may use."""

    request: DrillRequest
    run: Run
    observe: Observer

    @property
    def environment(self) -> Environment:
        return self.request.environment

    @property
    def key_prefix(self) -> str:
        """Client keys of this run's load all begin with this."""
        return f"{self.run.run_id}-load-"


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill: its question and expected answer are said before it acts.

    Attributes:
        points: where it can strike, name -> meaning; the first is the default.
        promise: writes every undo to the run, before `inject`, without touching the system.
        inject: causes the fault.
        look: proves that it landed and observes what followed; run after `inject`.
    """

    slug: str
    title: str
    question: str
    expected: str
    blast_radius: str
    points: dict[str, str]
    promise: Callable[[Stage], None]
    inject: Callable[[Stage], None]
    look: Callable[[Stage], list[Item]]


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


def refusal(environment: Environment) -> str | None:
    """Why nothing may be disturbed or judged here now; None when it may."""
    left = directory.unrecovered(environment.runs_dir)
    if left:
        doing = "is still running" if left[0].driver_alive else "left something undone"
        return f"run {left[0].run_id} {doing}; see `bookpayctl recover --name {environment.name}`"
    key = environment.secret("stripe-api-key")
    if not key.startswith(("sk_test_", "rk_test_")):
        return "the Stripe key is not a test key; nothing is disturbed where money is real"
    return None


def run_drill(drill: Drill, request: DrillRequest, observe: Observer) -> Report:
    """Run one drill to its verdict; the undo has run when this returns."""
    began_at, began = datetime.now(UTC), time.monotonic()
    run = directory.begin(request.environment.runs_dir, drill.slug)
    stage = Stage(request, run, observe)
    progress = _Progress()
    run.journal("begin", drill=drill.slug, point=request.point, seed=request.seed)
    try:
        with interruptible():
            _act(drill, stage, progress)
    except Stopped as stopped:
        progress.incidents.append(_code_of_signal(stopped.number))
        observe(f"stopped by {stopped}; undoing")
    except Exception as error:  # noqa: BLE001 - whatever broke, the undo below has to run
        run.journal("raised", error=repr(error))
        progress.items.append(
            unanswered("D00", "the drill ran to its end", "no error", f"{error!r}")
        )
    with shielded():
        _undo(stage, progress)
    if progress.touched and not progress.incidents:
        try:
            _conclude(stage, progress)
        except Exception as error:  # noqa: BLE001 - an audit that broke has not acquitted anyone
            run.journal("raised", error=repr(error))
            progress.items.append(
                unanswered("D11", "the orders were audited", "an audit to its end", f"{error!r}")
            )
    report = _report(drill, stage, progress, began_at, time.monotonic() - began)
    run.journal("verdict", verdict=report.verdict.value, code=int(report.code))
    return report


def _act(drill: Drill, stage: Stage, progress: _Progress) -> None:
    steady = _steady_state(stage)
    progress.items.append(steady)
    if steady.verdict is not Verdict.HOLDS:
        progress.incidents.append(ExitCode.REFUSED)
        return
    progress.touched = True
    drill.promise(stage)
    stop = threading.Event()
    load = _Background(stage, stop)
    try:
        load.start()
        stop.wait(HEAD_START_SECONDS)
        stage.observe(f"injecting {stage.request.point}")
        drill.inject(stage)
        stage.run.journal("injected", point=stage.request.point)
        if load.has_accepted(stage.request.deadline_seconds):
            progress.items += drill.look(stage)
        stage.observe("waiting for the rest of the load")
        load.finish()
    finally:
        stop.set()
        progress.accepted = load.accepted()
    progress.items.append(_load_item(progress.accepted))


def _steady_state(stage: Stage) -> Item:
    """Every process runs and nothing moves, or the drill does not begin."""
    title, required = "steady state before", "every process RUNNING, nothing in motion"
    stage.observe("checking the steady state")
    try:
        infos = endings.processes(stage.environment)
    except SupervisorError as error:
        return unanswered("D01", title, required, str(error))
    down = [f"{info.name} is {info.state}" for info in infos.values() if info.state != "RUNNING"]
    # With a process down nothing comes to rest by waiting.
    patience = 0.0 if down else STEADY_DEADLINE_SECONDS
    rest = quiescence.wait_for_rest(stage.environment, deadline_seconds=patience)
    problems = [*down, *([] if rest.reached else [rest.value.sentence()])]
    return Item(
        id="D01",
        title=title,
        verdict=Verdict.VIOLATED if problems else Verdict.HOLDS,
        required=required,
        observed="; ".join(problems) or f"{len(infos)} processes RUNNING; {rest.value.sentence()}",
        examined=len(infos),
        fix="bookpayctl status" if problems else "",
    )


class _Background:
    """The load beside the drill: one thread, stopped by one event, its history on disk."""

    def __init__(self, stage: Stage, stop: threading.Event) -> None:
        request = stage.request
        self._stop = stop
        self._history = HistoryFile(
            stage.run.history_path,
            run_id=stage.run.run_id,
            tenant_id=stage.environment.tenant_id,
            key_prefix=stage.key_prefix,
        )
        planned = arrivals.plan_arrivals(
            rate_per_second=request.rate_per_second,
            duration_seconds=request.duration_seconds,
            mix={arrivals.Kind.OK: 1},
            seed=request.seed,
        )
        self._load = Load(stage.environment, planned, self._history, key_prefix=stage.key_prefix)
        self._result: Accepted | None = None
        self._thread = threading.Thread(target=self._run, name="drill-load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def has_accepted(self, deadline_seconds: float) -> bool:
        """Whether some order of the load was accepted, as soon as one is or the load is over."""
        waited = wait_until(
            self._load.progress,
            lambda progress: bool(progress.outcomes.get("ok")) or not self._thread.is_alive(),
            deadline_seconds=deadline_seconds,
        )
        return bool(waited.value.outcomes.get("ok"))

    def finish(self) -> None:
        """Wait for the planned end of the load."""
        while self._thread.is_alive():
            self._thread.join(0.2)

    def accepted(self) -> Accepted | None:
        """What the clients saw, once the load has ended; its stop event must be set."""
        if self._thread.ident is not None:
            self._thread.join()
        self._history.close()
        return self._result

    def _run(self) -> None:
        self._result = self._load.run(self._stop, lambda _: None)


def _load_item(accepted: Accepted | None) -> Item:
    ok = accepted.ok if accepted else 0
    seen = "the load did not run"
    if accepted is not None:
        seen = f"{accepted.ok} accepted, {accepted.fail} refused, {accepted.unknown} unknown"
    return Item(
        id="D08",
        title="orders were placed meanwhile",
        verdict=Verdict.HOLDS if ok else Verdict.VACUOUS,
        required="at least 1 order accepted while the fault was in place",
        observed=seen,
        examined=ok,
        evidence=tuple(
            f"{n} x {why}" for why, n in (accepted.refusals if accepted else {}).items()
        ),
    )


def _undo(stage: Stage, progress: _Progress) -> None:
    """Undo everything and look for what is left; what cannot be undone is DIRTY."""
    if not progress.touched:
        return
    stage.observe("undoing")
    results = undo.undo_all(stage.environment, stage.run)
    errors = [result.error for result in results if result.error]
    if errors:
        progress.incidents.append(ExitCode.DIRTY)
    progress.items.append(
        Item(
            id="D09",
            title="everything was undone",
            verdict=Verdict.VIOLATED if errors else Verdict.HOLDS,
            required="every promised undo carried out and seen to have taken effect",
            observed="; ".join(errors) or ", ".join(result.entry.op for result in results),
            examined=max(1, len(results)),
            fix="bookpayctl recover" if errors else "",
        )
    )


def _conclude(stage: Stage, progress: _Progress) -> None:
    """Let the stack come to rest, then audit it with this run's history."""
    if progress.accepted is None or progress.accepted.ok == 0:
        progress.incidents.append(ExitCode.VACUOUS)
        return
    stage.observe("waiting for the stack to come to rest")
    rest = quiescence.wait_for_rest(
        stage.environment, deadline_seconds=stage.request.deadline_seconds
    )
    progress.items.append(
        Item(
            id="D10",
            title="the stack came to rest",
            verdict=Verdict.HOLDS if rest.reached else Verdict.VIOLATED,
            required=f"nothing in motion within {stage.request.deadline_seconds:.0f} s",
            observed=f"after {rest.seconds:.1f} s: {rest.value.sentence()}",
            examined=1,
        )
    )
    if not stage.request.audited:
        return
    with stage.run.history_path.open(encoding="utf-8") as lines:
        history = read_history(lines)
    result = audit(
        AuditRequest(
            stage.environment,
            age_seconds=0.0,
            deadline_seconds=stage.request.deadline_seconds,
            history=history,
        ),
        stage.observe,
    )
    progress.items += result.items
    progress.incidents += result.incidents


def _report(
    drill: Drill, stage: Stage, progress: _Progress, began_at: datetime, seconds: float
) -> Report:
    environment = stage.environment
    return Report(
        kind="DrillReport",
        context={
            "drill": drill.slug,
            "point": stage.request.point,
            "environment": environment.name,
            "target": environment.target,
            "stripe": "twin" if environment.stripe_control_url else environment.stripe_api_base,
            "seed": str(stage.request.seed),
            "run": stage.run.run_id,
        },
        items=tuple(progress.items),
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=seconds,
        each_must_answer=False,
        strict=stage.request.strict,
        incidents=tuple(progress.incidents),
        run_dir=str(stage.run.path),
    )


def _code_of_signal(number: int) -> ExitCode:
    """HUP, a terminal that went away, is told apart from INT only by not being one."""
    return ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
