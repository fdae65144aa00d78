"""kill-storm: every process is killed with SIGKILL, in random order, again and again, under load.

Question: does any sequence of sudden deaths, of services and servers alike, lose an order, charge
one twice, or leave one hanging? Expected: no; supervisor restarts each, and when the storm is over
every order is paid or cancelled and Stripe holds exactly the charges of the paid ones.

A round kills each process once, in an order drawn from the seed; rounds repeat until the load is
about to end. Only pids that supervisor reports as this environment's are ever signalled.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

from bookpayctl.drill import Drill, Stage
from bookpayctl.faults import undo
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.local.supervise import endings
from bookpayctl.targets.local.supervise.supervisor import ProcessInfo, SupervisorError

ALL: Final = "all"
SERVICES: Final = "services"
SERVERS: Final = "servers"

POINTS: Final = {
    ALL: "every process of the environment, servers among them",
    SERVICES: "the eleven processes of the seven services",
    SERVERS: "PostgreSQL, Kafka, the Stripe twin and the mail sink",
}

SERVER_NAMES: Final = frozenset({"postgres", "kafka", "stripe-twin", "mail-sink"})

# The storm ends this long before the load does, so that recovery is seen under load too.
CALM_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Kill:
    """One process killed, and how long until supervisor had a new one; None when it had none."""

    process: str
    pid: int
    back_seconds: float | None


def promise(stage: Stage) -> None:
    stage.run.promise_undo(undo.PROCESSES_RUNNING)
    stage.run.journal("log_position", position=endings.log_position(stage.environment))


def inject(stage: Stage) -> None:
    """Nothing yet: the storm itself is `look`, because it lasts as long as the load."""
    stage.run.journal("storm", victims=sorted(_victims(stage)), seed=stage.request.seed)


def look(stage: Stage) -> list[Item]:
    """Kill until the load is about to end, then count what supervisor saw."""
    since = endings.log_position(stage.environment)
    kills = _storm(stage)
    return [_landed(stage, kills, since), _back(stage, kills)]


def _victims(stage: Stage) -> list[str]:
    names = list(endings.processes(stage.environment))
    match stage.request.point:
        case "services":
            return [name for name in names if name not in SERVER_NAMES]
        case "servers":
            return [name for name in names if name in SERVER_NAMES]
        case _:
            return names


def _storm(stage: Stage) -> list[Kill]:
    rng = random.Random(f"{stage.request.seed}/storm")
    ends_at = time.monotonic() + stage.request.duration_seconds - CALM_SECONDS
    kills: list[Kill] = []
    while time.monotonic() < ends_at:
        round_of = _victims(stage)
        rng.shuffle(round_of)
        for name in round_of:
            if time.monotonic() >= ends_at:
                break
            kill = _kill(stage, name)
            if kill is not None:
                kills.append(kill)
                stage.run.journal("killed", process=name, pid=kill.pid, back=kill.back_seconds)
        stage.observe(f"{len(kills)} kills so far")
    return kills


def _kill(stage: Stage, name: str) -> Kill | None:
    """SIGKILL one process and wait for its successor; None when it was not running just then."""
    info = _process(stage, name)
    if info is None or info.pid is None or info.state != "RUNNING":
        return None
    pid = info.pid
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return None
    waited = wait_until(
        lambda: _process(stage, name),
        lambda now: now is not None and now.pid not in (None, pid) and now.state == "RUNNING",
        deadline_seconds=stage.request.deadline_seconds,
        every_seconds=0.05,
    )
    return Kill(name, pid, waited.seconds if waited.reached else None)


def _process(stage: Stage, name: str) -> ProcessInfo | None:
    try:
        return endings.processes(stage.environment).get(name)
    except SupervisorError as error:
        stage.run.journal("supervisor_silent", error=str(error))
        return None


def _landed(stage: Stage, kills: list[Kill], since: int) -> Item:
    """Supervisor, the parent, saw every victim end by SIGKILL at least once."""
    title = "every process was killed"
    victims = _victims(stage)
    required = f"SIGKILL seen by supervisor for each of {len(victims)} processes"
    seen = endings.happenings(stage.environment, since=since)
    by_kill = Counter(ending.process for ending in seen.endings if ending.signal == "SIGKILL")
    missing = [name for name in victims if not by_kill[name]]
    if missing:
        reason = f"not killed: {', '.join(missing)}; make --duration longer"
        return unanswered("D02", title, required, reason)
    return Item(
        id="D02",
        title=title,
        verdict=Verdict.HOLDS,
        required=required,
        observed=f"{len(kills)} kills, {sum(by_kill.values())} endings by SIGKILL in its log",
        examined=len(kills),
        evidence=tuple(f"{name} x {by_kill[name]}" for name in sorted(victims)),
    )


def _back(stage: Stage, kills: list[Kill]) -> Item:
    title = "each was running again"
    required = f"a new process within {stage.request.deadline_seconds:.0f} s of each kill"
    if not kills:
        return unanswered("D03", title, required, "nothing was killed")
    gone = [kill for kill in kills if kill.back_seconds is None]
    slowest = max(kills, key=lambda kill: kill.back_seconds or float("inf"))
    seconds = "never" if slowest.back_seconds is None else f"{slowest.back_seconds:.1f} s"
    return Item(
        id="D03",
        title=title,
        verdict=Verdict.VIOLATED if gone else Verdict.HOLDS,
        required=required,
        observed=f"slowest {slowest.process} after {seconds}",
        examined=len(kills),
        evidence=tuple(f"{kill.process} (pid {kill.pid}) did not come back" for kill in gone),
        fix="bookpayctl logs" if gone else "",
    )


DRILL: Final = Drill(
    slug="kill-storm",
    title="every process is killed, in random order, under load",
    question="does any sequence of sudden deaths lose an order, charge one twice, or leave one"
    " hanging?",
    expected="every process restarted, every order paid or cancelled, charges = paid orders",
    blast_radius="all processes of this environment, one at a time, for as long as the load lasts",
    points=POINTS,
    promise=promise,
    inject=inject,
    look=look,
)
