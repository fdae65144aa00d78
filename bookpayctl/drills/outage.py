"""outage: one server or the webhook receiver is away for ten seconds while orders keep coming.

Question: are orders accepted while only Kafka, Stripe or the receiver is away, refused clearly and
without hanging while PostgreSQL is, and does everything drain by itself afterwards? Expected: yes,
and each service's log says once that the thing is gone and once that it is back.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from bookpayctl.drill import Drill, Stage
from bookpayctl.faults import undo
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs.directory import JOURNAL_FILE
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.local.machine.state import socket_path
from bookpayctl.targets.local.supervise import endings
from bookpayctl.targets.local.supervise.supervisor import Supervisor

OUTAGE_SECONDS: Final = 10.0

# A client that gets no answer in this long would call it hanging.
ANSWER_SECONDS_MAX: Final = 12.0

# One outage is a handful of lines per process: gone, perhaps its consequences, back again.
LOUD_LINES_MAX: Final = 25

POINTS: Final = {
    "kafka": "no broker: the outbox absorbs",
    "stripe-twin": "no Stripe: payments wait with their key",
    "payments-webhook-receiver": "no receiver: Stripe delivers again later",
    "postgres": "no database: orders are refused with 503, never lost",
}

# Where orders are refused while the part is away; everywhere else each must be accepted.
REFUSING: Final = frozenset({"postgres"})

UNNOTICED: Final = frozenset({"payments-webhook-receiver"})


@dataclass(frozen=True, slots=True)
class Window:
    """The outage as wall-clock seconds, and whether its port refused at both ends of it."""

    began_at: float
    ended_at: float
    refused_at_begin: bool
    refused_at_end: bool


def promise(stage: Stage) -> None:
    stage.run.promise_undo(undo.PROCESSES_RUNNING)
    stage.run.journal("log_sizes", sizes=_log_sizes(stage))


def inject(stage: Stage) -> None:
    """Stop the part and wait until it is gone."""
    name = stage.request.point
    _supervisor(stage).stop(name)
    wait_until(
        lambda: endings.processes(stage.environment)[name].state,
        lambda state: state == "STOPPED",
        deadline_seconds=stage.request.deadline_seconds,
    )


def look(stage: Stage) -> list[Item]:
    """Hold the outage, end it, then judge what clients and logs saw of it."""
    name = stage.request.point
    began_at, refused_at_begin = time.time(), _port_refuses(stage)
    stage.observe(f"{name} is away for {OUTAGE_SECONDS:.0f} s")
    # The length of the outage is the experiment; nothing is waited for.
    threading.Event().wait(OUTAGE_SECONDS)
    window = Window(began_at, time.time(), refused_at_begin, _port_refuses(stage))
    _supervisor(stage).start(name)
    back = wait_until(
        lambda: endings.processes(stage.environment)[name].state,
        lambda state: state == "RUNNING",
        deadline_seconds=stage.request.deadline_seconds,
    )
    stage.observe(f"{name} is back after {back.seconds:.1f} s")
    calls = _calls_during(stage, window)
    return [_landed(stage, window), _accepted(stage, calls), _prompt(calls), _quiet(stage)]


def _supervisor(stage: Stage) -> Supervisor:
    return Supervisor(socket_path(stage.environment.root))


def _port_refuses(stage: Stage) -> bool:
    """Whether nobody listens on the part's port."""
    ports = {spec.name: spec.port for spec in stage.environment.processes}
    port = ports[stage.request.point]
    if port is None:
        return False
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _landed(stage: Stage, window: Window) -> Item:
    title = "the part was away"
    required = f"its port refuses at the begin and the end of {OUTAGE_SECONDS:.0f} s"
    seconds = window.ended_at - window.began_at
    if not (window.refused_at_begin and window.refused_at_end):
        return unanswered("D02", title, required, f"{stage.request.point} still answered")
    return Item(
        id="D02",
        title=title,
        verdict=Verdict.HOLDS,
        required=required,
        observed=f"{stage.request.point} refused connections for {seconds:.1f} s",
        examined=2,
    )


def _calls_during(stage: Stage, window: Window) -> list[dict[str, Any]]:
    """The ended calls of this run's clients that were sent while the part was away."""
    lines = stage.run.history_path.read_text(encoding="utf-8").splitlines()
    invoked: dict[str, float] = {}
    calls = []
    for line in lines:
        entry = json.loads(line)
        if entry["type"] == "invoke":
            invoked[entry["key"]] = entry["at"]
        elif entry.get("key") in invoked:
            sent_at = invoked[entry["key"]]
            if window.began_at <= sent_at <= window.ended_at:
                calls.append({**entry, "took": entry["at"] - sent_at})
    return calls


def _accepted(stage: Stage, calls: list[dict[str, Any]]) -> Item:
    refusing = stage.request.point in REFUSING
    title = "orders were refused clearly" if refusing else "orders were accepted"
    required = (
        "every order placed meanwhile answered 503 or by a closed connection, none failed for good"
        if refusing
        else "every order placed meanwhile accepted"
    )
    if not calls:
        return unanswered("D03", title, required, "no order was placed while it was away")
    bad = [
        call
        for call in calls
        if call["type"] == "fail"
        or (not refusing and call["type"] != "ok")
        or (refusing and call["type"] == "unknown" and call["status"] not in (503, None))
    ]
    answers = Counter(f"{call['type']} {call['status'] or 'no answer'}" for call in calls)
    return Item(
        id="D03",
        title=title,
        verdict=Verdict.VIOLATED if bad else Verdict.HOLDS,
        required=required,
        observed=", ".join(f"{count} x {what}" for what, count in answers.most_common()),
        examined=len(calls),
        evidence=tuple(f"{call['key']}: {call['status']} {call['code']}" for call in bad[:5]),
        fix="bookpayctl logs orders-service" if bad else "",
    )


def _prompt(calls: list[dict[str, Any]]) -> Item:
    title, required = "nobody hung", f"every answer within {ANSWER_SECONDS_MAX:.0f} s"
    if not calls:
        return unanswered("D04", title, required, "no order was placed while it was away")
    slowest = max(float(call["took"]) for call in calls)
    return Item(
        id="D04",
        title=title,
        verdict=Verdict.HOLDS if slowest <= ANSWER_SECONDS_MAX else Verdict.VIOLATED,
        required=required,
        observed=f"slowest answer after {slowest:.2f} s",
        examined=len(calls),
    )


def _log_sizes(stage: Stage) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in stage.environment.logs_dir.glob("*.log")}


def _quiet(stage: Stage) -> Item:
    """How loud each service was about it."""
    services = {spec.name for spec in stage.environment.processes} - {
        "postgres",
        "kafka",
        "stripe-twin",
        "mail-sink",
    }
    sizes = _sizes_before(stage)
    loud = {name: _loud_lines(stage, name, sizes.get(f"{name}.log", 0)) for name in services}
    worst = max(loud, key=lambda name: loud[name])
    said = sum(loud.values())
    # Nobody but Stripe calls the receiver, so none of ours can notice that it is away.
    due = 0 if stage.request.point in UNNOTICED else 1
    return Item(
        id="D05",
        title="the logs say it once",
        verdict=Verdict.HOLDS
        if said >= due and loud[worst] <= LOUD_LINES_MAX
        else Verdict.VIOLATED,
        required=f"at least {due} warnings in all, at most {LOUD_LINES_MAX} per process",
        observed=f"loudest {worst} with {loud[worst]}, {said} in all",
        examined=len(services),
        fix=f"bookpayctl logs {worst}" if loud[worst] > LOUD_LINES_MAX else "",
    )


def _sizes_before(stage: Stage) -> dict[str, int]:
    """Where each log ended before the fault, from the journal written by `promise`."""
    lines = (stage.run.path / JOURNAL_FILE).read_text(encoding="utf-8").splitlines()
    noted = [json.loads(line) for line in lines]
    sizes: dict[str, int] = next(line["sizes"] for line in noted if line["event"] == "log_sizes")
    return sizes


def _loud_lines(stage: Stage, name: str, since: int) -> int:
    """Lines above INFO, and lines that are no JSON at all, written after `since`."""
    path = stage.environment.logs_dir / f"{name}.log"
    if not path.exists():
        return 0
    with path.open("rb") as file:
        file.seek(since)
        lines = file.read().decode("utf-8", "replace").splitlines()
    return sum('"level": "INFO"' not in line for line in lines if line.strip())


DRILL: Final = Drill(
    slug="outage",
    title="a server is away for ten seconds under load",
    question="are orders accepted while only Kafka, Stripe or the receiver is away, refused"
    " clearly while PostgreSQL is, and does everything drain by itself?",
    expected="nothing lost, nothing doubled, nobody hanging, and logs that say it once",
    blast_radius=f"one server of this environment, for {OUTAGE_SECONDS:.0f} s",
    points=POINTS,
    promise=promise,
    inject=inject,
    look=look,
)
