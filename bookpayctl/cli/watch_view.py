"""A look as lines of text: the whole view for a terminal, and one line for a log. Pure.

Nothing here has colour: what is wrong is said in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bookpayctl.cli.durations import age
from bookpayctl.cli.facts import listed, shown_capture, what_waits
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.status import Status, UnknownFact
from bookpayctl.watch.glance import Glance, ServiceSeen, services_in
from bookpayctl.watch.pace import ROWS_MAX, Pace, Percentiles

AILING_SHOWN: Final = 3
"""Processes that a log's line names; a stack that is down would fill a screen with each look."""

_LABEL_WIDTH: Final = 10
_STATES: Final = {
    ExitCode.PASS: "all healthy",
    ExitCode.VIOLATED: "something is down",
    ExitCode.UNKNOWN: "not everything answers",
    ExitCode.VACUOUS: "no processes",
}


def view(glance: Glance, *, width: int) -> list[str]:
    """Everything, for a terminal of so many columns; longer lines are cut and end in `…`."""
    code, _ = glance.status.exit()
    head = f"{glance.status.name}: {_STATES[code]}"
    lines = [
        f"{head:<{max(0, width - 9)}} {glance.at:%H:%M:%S}",
        "",
        *_pace_lines(glance.pace),
        _labelled(*_publishing(glance.status)),
        _labelled("open", _open(glance.status)),
        _labelled("waiting", _waiting(glance.status)),
        *_faults(glance),
        "",
        *_services(services_in(glance.status.processes)),
    ]
    return [_cut(line, width) for line in lines]


def one_line(glance: Glance) -> str:
    """What changes most, for a log in which look follows look."""
    code, _ = glance.status.exit()
    pace = glance.pace
    parts = [f"{glance.at:%H:%M:%S} {_STATES[code]}"]
    if isinstance(pace, UnknownFact):
        parts.append(pace.reason)
    else:
        parts.append(
            f"placed {pace.placed_per_second:.1f}/s paid {pace.paid_per_second:.1f}/s"
            f" {_latency(pace.paid)}"
        )
        if pace.unpublished is not None:
            parts.append(f"unpublished {pace.unpublished}")
    parts.append(f"open {_open(glance.status)}")
    ailing = [one for service in services_in(glance.status.processes) for one in service.ailing]
    parts += ailing[:AILING_SHOWN]
    if len(ailing) > AILING_SHOWN:
        parts.append(f"and {len(ailing) - AILING_SHOWN} more")
    return " ".join("; ".join(parts).split())


def _pace_lines(pace: Pace | UnknownFact) -> Iterator[str]:
    if isinstance(pace, UnknownFact):
        yield _labelled("pace", f"unknown: {pace.reason}")
        return
    yield _labelled(
        "orders",
        f"{pace.placed_per_second:.1f}/s placed  {pace.paid_per_second:.1f}/s paid"
        f"  {pace.given_back_per_second:.1f}/s given back   {_latency(pace.paid)}",
    )
    yield _labelled(
        "stripe",
        f"{pace.stripe_per_second:.1f}/s answered  {pace.stripe_refused} refused"
        f"  {pace.stripe_unanswered} unanswered   {_latency(pace.stripe)}",
    )
    if pace.unpublished is None:
        return
    number = f"{pace.unpublished}" if pace.unpublished < ROWS_MAX else f"{ROWS_MAX} or more"
    oldest = f", the oldest for {age(pace.oldest_unpublished_seconds)}" if pace.unpublished else ""
    yield _labelled("outbox", f"{number} unpublished{oldest}")


def _latency(latency: Percentiles) -> str:
    if latency.p50_ms is None or latency.p99_ms is None:
        return "p50 -  p99 -"
    return f"p50 {latency.p50_ms:.0f} ms  p99 {latency.p99_ms:.0f} ms"


def _publishing(status: Status) -> tuple[str, str]:
    """Who publishes: the publisher that leads, or the capture in its place."""
    if status.captured:
        return "capture", shown_capture(status)
    return "leader", _leader(status)


def _leader(status: Status) -> str:
    leader = status.leader
    if isinstance(leader, UnknownFact):
        return f"unknown: {leader.reason}"
    if leader is None:
        return "nobody leads the publishers"
    term = "" if leader.term is None else f", term {leader.term}"
    since = "" if leader.held_seconds is None else f", for {age(leader.held_seconds)}"
    slot = "" if leader.slot is None else f"; {leader.slot}"
    return f"{leader.publisher_id or f'backend {leader.backend_pid}'}{term}{since}{slot}"


def _open(status: Status) -> str:
    return listed(
        status.open_payments,
        lambda one: f"{one.state} {one.count} ({age(one.oldest_seconds)})",
        none="nothing",
    )


def _waiting(status: Status) -> str:
    return listed(
        what_waits(status),
        lambda one: f"{one.what} {one.count} ({age(one.oldest_seconds)})",
        none="nothing",
    )


def _faults(glance: Glance) -> Iterator[str]:
    """What disturbs, or disturbed last."""
    for run in glance.runs:
        yield _labelled("run", f"{run.kind} {run.run_id}: {run.state}")
    hits = () if isinstance(glance.pace, UnknownFact) else glance.pace.hits
    for number, hit in enumerate(hits):
        label = "" if number else "failpoint"
        yield _labelled(label, f"{hit.at:%H:%M:%S} {hit.process}: {hit.action} at {hit.point}")


def _services(services: Sequence[ServiceSeen]) -> Iterator[str]:
    width = max((len(one.service) for one in services), default=0)
    yield f"{'service':<{width}}  ready  restarts     lag  "
    for one in services:
        lag = "-" if one.lag is None else "?" if isinstance(one.lag, UnknownFact) else str(one.lag)
        ready = f"{one.ready}/{one.processes}"
        yield f"{one.service:<{width}}  {ready:>5}  {one.restarts:>8}  {lag:>6}  " + "; ".join(
            one.ailing
        )


def _labelled(label: str, text: str) -> str:
    return f"{label:<{_LABEL_WIDTH}}{text}"


def _cut(line: str, width: int) -> str:
    first, *rest = line.split("\n")
    line = " ".join([first, *(part.strip() for part in rest)]).rstrip()
    return line if len(line) <= width else f"{line[: width - 1]}…"
