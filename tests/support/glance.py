"""A look at an environment of values that are fixed and all different."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from bookpayctl.cli.commands.watch import glance_document
from bookpayctl.targets.status import (
    Leader,
    OpenPayments,
    ProcessStatus,
    Status,
    UnknownFact,
    Waiting,
)
from bookpayctl.watch.glance import Glance, RunSeen
from bookpayctl.watch.pace import FaultSeen, Pace, Percentiles

AT: Final = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
NO_ANSWER: Final = UnknownFact("the database does not say: connection refused\n\tIs it running?")


def process(name: str, service: str, **changes: object) -> ProcessStatus:
    well = ProcessStatus(name, service, "running", 100, 60.0, 0, 8080, True, "", None)
    return replace(well, **changes)  # type: ignore[arg-type]  # Fields by name.


WELL: Final = (
    process("outbox-publisher-0", "outbox-publisher"),
    process("outbox-publisher-1", "outbox-publisher", restarts=2),
    process("payments-worker-0", "payments-worker", lag=7),
    process("payments-worker-1", "payments-worker", lag=7, restarts=UnknownFact("mute")),
)
STATUS: Final = Status(
    name="shop",
    processes=WELL,
    leader=Leader("outbox-publisher-1", 4711, 3, 190.0),
    open_payments=(OpenPayments("unknown", 2, 75.0),),
    waiting=(Waiting("dead letters", 1, 7_300.0), Waiting("refunds failed", 0, 0.0)),
)
PACE: Final = Pace(
    seconds=10.0,
    placed_per_second=12.34,
    paid_per_second=11.0,
    given_back_per_second=0.2,
    paid=Percentiles(92.4, 181.0),
    stripe_per_second=13.0,
    stripe_unanswered=3,
    stripe_refused=4,
    stripe=Percentiles(None, None),
    unpublished=5,
    oldest_unpublished_seconds=66.0,
    hits=(FaultSeen(AT, "worker.polled_before_inbox", "exit", "payments-worker-0"),),
)
GLANCE: Final = Glance(AT, STATUS, PACE, (RunSeen("20260301-x", "outage", "running"),))

WATCH_DOCUMENTS: Final = {"Watch": lambda: glance_document(GLANCE)}
