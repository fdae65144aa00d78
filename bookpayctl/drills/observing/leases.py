"""Leases of a process that was taken for dead: who took them over, and what it did when it woke."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.faults.ghost import HeldLease
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.witness import HeardLine
from runtime.domain.names import PaymentState

_UNSETTLED = frozenset({PaymentState.PENDING, PaymentState.CHARGING, PaymentState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class PaymentStep:
    """One line of a payment's history.

    Attributes:
        cause: the process that wrote it, or who else did.
        reference: of a claim, its lease's token.
    """

    event_id: str
    cause: str
    reference: str | None
    to_state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Takeover:
    """What became of leases.

    Attributes:
        taken: those whose payment somebody else charged after them.
        own: steps that their owner wrote while nobody else had moved the payment.
        late: steps that it wrote after somebody else had; there must be none.
    """

    taken: tuple[HeldLease, ...]
    own: tuple[PaymentStep, ...]
    late: tuple[PaymentStep, ...]


def wait_for_takeover(context: DrillContext, leases: Sequence[HeldLease]) -> list[PaymentStep]:
    """The later steps of the payments under these leases, once each is settled, or at the bound."""
    ids = [lease.event_id for lease in leases]
    wait_until(
        lambda: _states(context, ids),
        lambda states: not _UNSETTLED & states,
        deadline_seconds=context.deadline_seconds,
        every_seconds=0.25,
    )
    return _steps(context, ids)


def takeover_of(leases: Sequence[HeldLease], steps: Iterable[PaymentStep]) -> Takeover:
    """Put leases beside the steps of their payments, which come in the order they were written."""
    lease_of = {lease.event_id: lease for lease in leases}
    begun: set[str] = set()
    moved: set[str] = set()
    taken: dict[str, HeldLease] = {}
    own: list[PaymentStep] = []
    late: list[PaymentStep] = []
    for step in steps:
        lease = lease_of[step.event_id]
        if step.reference == lease.token:
            begun.add(step.event_id)
        elif step.event_id in begun and step.cause == lease.owner:
            (late if step.event_id in moved else own).append(step)
        elif step.event_id in begun:
            moved.add(step.event_id)
            if step.to_state == PaymentState.CHARGING:
                taken[step.event_id] = lease
    return Takeover(tuple(taken.values()), tuple(own), tuple(late))


def nothing_by_ghost(
    context: DrillContext,
    leases: Sequence[HeldLease],
    steps: Iterable[PaymentStep],
    fenced: Sequence[str],
    *,
    awake: bool,
) -> Item:
    """Whether the ghost woke, found its leases others', and wrote nothing."""
    title = "the ghost woke and changed nothing"
    required = "others charged what it had leased, and it took no step of these payments afterwards"
    found = takeover_of(leases, steps)
    if not awake:
        reason = "it was ended before it woke, so nothing had to be fenced"
        return context.unanswered("ghost-fenced", title, required, reason)
    if not found.late and not found.taken:
        reason = f"nobody took its leases over; {len(found.own)} results were its own to write"
        return context.unanswered("ghost-fenced", title, required, reason)
    return context.judged(
        "ghost-fenced",
        title,
        required,
        f"{len(found.taken)} of {len(leases)} leases taken over, {len(found.late)} late steps by"
        f" it, {len(fenced)} results fenced by its own log",
        good=not found.late,
        examined=len(found.taken),
        evidence=[
            *(
                f"{step.event_id} to {step.to_state} at {step.at.isoformat()}"
                for step in found.late
            ),
            *fenced[:3],
        ],
        fix=f"bookpayctl order trace {leases[0].order_id}",
    )


def lines_fenced(lines: Iterable[HeardLine]) -> list[str]:
    """What a worker's log says of results that were not the row's any more."""
    found = []
    for line in lines:
        said = line.document()
        if said.get("result") == "fenced":
            found.append(json.dumps({key: said.get(key) for key in ("order_id", "result")}))
    return found


def _states(context: DrillContext, ids: list[str]) -> frozenset[str]:
    with reading(context.environment.dsn) as conn:
        rows = conn.execute(
            "SELECT DISTINCT state FROM payments WHERE event_id = ANY (%s::uuid[])", (ids,)
        ).fetchall()
    return frozenset(state for (state,) in rows)


def _steps(context: DrillContext, ids: list[str]) -> list[PaymentStep]:
    with reading(context.environment.dsn) as conn:
        rows = conn.execute(
            "SELECT event_id::text, cause, cause_id, to_state, at FROM payment_events"
            " WHERE event_id = ANY (%s::uuid[]) ORDER BY id",
            (ids,),
        ).fetchall()
    return [PaymentStep(*row) for row in rows]
