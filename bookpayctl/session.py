"""One run of the tool on one environment: guarded, on record, interruptible, and undone at its end.

Whatever happens inside, what was promised to be undone is undone when the block ends; a signal
ends the block and not the undo. What could not be undone makes the run dirty.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bookpayctl.faults import undo
from bookpayctl.faults.undo import Undone
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import unanswered
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run, read_undo
from bookpayctl.runs.interrupts import Stopped, interruptible, shielded
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import ReservedError
from bookpayctl.targets.platforms import open_target
from bookpayctl.targets.target import Target
from runtime.domain.names import TEST_KEY_PREFIXES

Observer = Callable[[str], None]


class RefusedError(RuntimeError):
    """The guard says no: nothing may be disturbed or judged here now, for this reason."""


@dataclass(slots=True)
class Session:
    """What a command works with.

    Attributes:
        incidents: codes beyond what is found: INTERRUPTED or TERMINATED, and DIRTY.
        undone: what was put back at the end; empty while the session lasts.
    """

    target: Target
    run: Run
    observe: Observer
    incidents: list[ExitCode] = field(default_factory=list)
    undone: list[Undone] = field(default_factory=list)

    @property
    def environment(self) -> Environment:
        return self.target.environment


def guard(environment: Environment) -> None:
    """See that the environment may be judged and disturbed.

    Raises:
        RefusedError: an earlier run has not put everything back, or money here may be real.
    """
    left = directory.unrecovered(environment.runs_dir)
    if left:
        doing = "is still running" if left[0].driver_alive else "left something undone"
        fix = f"bookpayctl recover --name {environment.name}"
        raise RefusedError(f"run {left[0].run_id} {doing}; see `{fix}`")
    if not environment.secret("stripe-api-key").startswith(TEST_KEY_PREFIXES):
        raise RefusedError(
            "the Stripe key is not a test key; nothing is disturbed where money is real"
        )


@contextmanager
def open_session(
    environment: Environment, kind: str, observe: Observer, *, keeps: bool = False
) -> Iterator[Session]:
    """Begin a run, and undo it at the end of the block.

    A signal ends the block without an exception: `incidents` tells. Any other exception gets out
    of the block, after the undo.

    Args:
        keeps: leave what was done as it is, if the block gets to its end; `recover` undoes it.

    Raises:
        RefusedError: see `guard`; then no run was begun.
    """
    guard(environment)
    target = open_target(environment)
    with ExitStack() as held:
        run = directory.begin(environment.runs_dir, kind)
        try:
            held.enter_context(target.reserve(run.run_id))
        except ReservedError as reserved:
            run.journal("refused", reason=str(reserved))
            raise RefusedError(str(reserved)) from reserved
        with _undone_at_the_end(Session(target, run, observe), keeps=keeps) as session:
            yield session


@contextmanager
def _undone_at_the_end(session: Session, *, keeps: bool) -> Iterator[Session]:
    observe, kept = session.observe, False
    try:
        with interruptible():
            yield session
            kept = keeps
    except Stopped as stopped:
        session.incidents.append(code_of_signal(stopped.number))
        observe(f"stopped by {stopped}")
    except Exception as error:
        session.run.journal("raised", error=repr(error))
        raise
    finally:
        if kept:
            open_entries = [entry for entry in read_undo(session.run.path) if not entry.done]
            session.run.journal("kept", promises=len(open_entries))
        else:
            with shielded():
                _undo(session)


def refused_report(kind: str, environment: Environment, refused: RefusedError) -> Report:
    """A report without answers whose code is REFUSED and whose context says why."""
    return Report(
        kind=kind,
        context={
            "environment": environment.name,
            "target": environment.target,
            "refused": str(refused),
        },
        items=(),
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        duration_seconds=0.0,
        each_must_answer=True,
        incidents=(ExitCode.REFUSED,),
    )


def not_run_report(kind: str, environment: Environment, what: str, reason: str) -> Report:
    """A report whose one answer is that nothing was begun, because nothing could be learnt."""
    item = unanswered(f"{what}/ran", f"{what} was run", "what it waits for can come", reason)
    return Report(
        kind=kind,
        context={
            "environment": environment.name,
            "target": environment.target,
            "stripe": environment.stripe_name,
            "not_run": reason,
        },
        items=(item,),
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        duration_seconds=0.0,
        each_must_answer=True,
    )


def _undo(session: Session) -> None:
    if any(not entry.done for entry in read_undo(session.run.path)):
        session.observe("undoing")
    session.undone = undo.undo_all(session.target, session.run)
    if any(undone.error for undone in session.undone):
        session.incidents.append(ExitCode.DIRTY)


def code_of_signal(number: int) -> ExitCode:
    """HUP, a terminal that went away, is told apart from INT only by not being one."""
    return ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
