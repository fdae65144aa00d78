"""What proves that a fault of a cluster landed, and what does not: told by others, or unknown."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from bookpayctl.drills.observing.leases import PaymentStep, lines_fenced, takeover_of
from bookpayctl.faults.canary import KEPT, NEW, LinkCut, ToxicTimes, cut_in
from bookpayctl.faults.fault import FaultError
from bookpayctl.faults.ghost import Haunting, HeldLease, haunting_in
from bookpayctl.faults.node import fewer, fullest, running_of
from bookpayctl.faults.pod import is_replaced, successors
from bookpayctl.faults.rollout import unchanged
from bookpayctl.targets.cluster_target import Node
from bookpayctl.targets.target import Process, ProcessEnd, ProcessEvents, ProcessStart
from bookpayctl.targets.witness import HeardLine

NEVER = float("inf")


def process(name: str, incarnation: str | None, service: str = "payments-worker") -> Process:
    runs = incarnation is not None
    return Process(name, service, "Running", running=runs, ended=False, incarnation=incarnation)


# --- a deleted pod --------------------------------------------------------------------------

BEFORE = {"worker-a": "a.0", "worker-b": "b.0"}
SUCCESSOR = [process("worker-b", "b.0"), process("worker-c", "c.0")]
END = (ProcessEnd("worker-a", 137, "SIGKILL"),)
START = (ProcessStart("worker-c", "c.0"),)


def replaced(now: list[Process], events: ProcessEvents) -> bool:
    return is_replaced("worker-a", BEFORE, now, events, service="payments-worker")


def test_a_pod_is_replaced_when_its_end_is_on_record_and_another_one_runs() -> None:
    assert replaced(SUCCESSOR, ProcessEvents(END, START))


@pytest.mark.parametrize(
    ("now", "events"),
    [
        ([*SUCCESSOR, process("worker-a", "a.0")], ProcessEvents(END, START)),
        (SUCCESSOR, ProcessEvents((), START)),
        (SUCCESSOR, ProcessEvents(END, ())),
        ([process("worker-b", "b.0")], ProcessEvents(END, START)),
        ([process("worker-b", "b.0"), process("worker-c", None)], ProcessEvents(END, START)),
    ],
    ids=["still there", "no end", "no start", "nobody came", "it does not run"],
)
def test_anything_less_is_no_proof_of_it(now: list[Process], events: ProcessEvents) -> None:
    assert not replaced(now, events)


def test_a_successor_is_of_the_same_service() -> None:
    now = [*SUCCESSOR, process("gateway-d", "d.0", "payments-gateway")]

    assert successors(BEFORE, now, service="payments-worker") == {"worker-c": "c.0"}


# --- a rollout ------------------------------------------------------------------------------


def test_a_revision_or_a_pod_that_is_as_before_was_not_rolled() -> None:
    assert unchanged({"worker": "1", "gateway": "1"}, {"worker": "2", "gateway": "1"}) == [
        "gateway"
    ]
    assert unchanged(BEFORE, {"worker-c": "c.0", "worker-d": "d.0"}) == []


# --- a drained node -------------------------------------------------------------------------


def test_the_node_with_most_of_the_environment_is_drained_and_never_a_cordoned_one() -> None:
    nodes = [
        Node("one", schedulable=True, processes=("a",)),
        Node("two", schedulable=True, processes=("b", "c")),
        Node("closed", schedulable=False, processes=("d", "e", "f")),
    ]

    assert fullest(nodes) == "two"
    with pytest.raises(FaultError, match="no schedulable node"):
        fullest(nodes[2:])


def test_a_service_of_which_fewer_run_is_named() -> None:
    before = running_of([process("a", "a.0"), process("b", "b.0")], {"payments-worker"})
    now = running_of([process("a", "a.0"), process("c", None)], {"payments-worker"})

    assert fewer(before, now) == ["payments-worker"]
    assert fewer(before, before) == []


# --- a ghost --------------------------------------------------------------------------------


def seen(*told: tuple[float, str]) -> list[HeardLine]:
    return [HeardLine(at, json.dumps({"pid": 7, "state": state})) for at, state in told]


def haunting(*told: tuple[float, str], successor_at: float = 3.0) -> Haunting:
    return haunting_in(seen(*told), deleted_at=1.0, given_up_at=2.0, successor_at=successor_at)


def test_a_ghost_is_proven_by_who_sees_it_beside_its_successor() -> None:
    found = haunting((0.5, "T"), (2.5, "T"), (3.5, "T"), (4.0, "S"), (4.5, "gone"))

    assert found == Haunting(
        frozen_before=True, after_given_up=3, beside_successor=2, awake=1, ended=True
    )
    assert found.is_proven


@pytest.mark.parametrize(
    "found",
    [
        haunting((0.5, "S"), (3.5, "S")),
        haunting((0.5, "T"), (1.5, "T")),
        haunting((0.5, "T"), (2.5, "T"), (3.5, "gone")),
        haunting((0.5, "T"), (3.5, "T"), successor_at=NEVER),
        haunting(),
    ],
    ids=["never frozen", "not seen since", "gone before its successor", "no successor", "silent"],
)
def test_a_ghost_that_nobody_saw_beside_its_successor_is_not(found: Haunting) -> None:
    assert not found.is_proven


def test_a_witness_that_tells_something_else_has_seen_nothing() -> None:
    lines = [HeardLine(3.5, "Traceback (most recent call last):"), HeardLine(3.6, "[]")]

    found = haunting_in(lines, deleted_at=1.0, given_up_at=2.0, successor_at=3.0)

    assert not found.is_proven


LEASE = HeldLease("worker-a", "event-1", "order-1", "token-a")
AT = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def step(cause: str, to_state: str, reference: str | None = None) -> PaymentStep:
    return PaymentStep("event-1", cause, reference, to_state, AT)


CLAIMED = step("worker-a", "charging", "token-a")
TAKEN = (step("worker-b", "unknown"), step("worker-b", "charging", "token-b"))


def test_a_lease_is_taken_over_when_somebody_else_charges_after_it() -> None:
    found = takeover_of([LEASE], [CLAIMED, *TAKEN, step("worker-b", "succeeded")])

    assert (found.taken, found.own, found.late) == ((LEASE,), (), ())


def test_a_step_of_the_former_owner_after_that_is_late() -> None:
    late = step("worker-a", "succeeded")

    assert takeover_of([LEASE], [CLAIMED, *TAKEN, late]).late == (late,)
    assert takeover_of([LEASE], [CLAIMED, step("worker-b", "unknown"), late]).late == (late,)


def test_a_result_under_a_lease_that_nobody_took_is_its_owners_own() -> None:
    earlier = step("worker-a", "charging", "token-of-before")
    found = takeover_of([LEASE], [earlier, step("worker-b", "pending"), CLAIMED,
                                  step("worker-a", "succeeded")])  # fmt: skip

    assert found.taken == ()
    assert found.own == (step("worker-a", "succeeded"),)
    assert found.late == ()


def test_results_that_were_fenced_are_read_from_a_workers_log() -> None:
    lines = [
        HeardLine(1.0, json.dumps({"order_id": "order-1", "result": "fenced", "status": "paid"})),
        HeardLine(1.1, json.dumps({"order_id": "order-2", "result": None})),
        HeardLine(1.2, "no JSON at all"),
    ]

    assert [json.loads(line)["order_id"] for line in lines_fenced(lines)] == ["order-1"]


# --- a cut link -----------------------------------------------------------------------------

WHILE = ToxicTimes(9.8, 10.0, 20.0)


def asked(at: float, number: int, connection: str = KEPT) -> HeardLine:
    text = json.dumps({"connection": connection, "number": number, "asked": True})
    return HeardLine(at, text)


def answered(at: float, number: int, connection: str = KEPT) -> HeardLine:
    text = json.dumps({"connection": connection, "number": number, "answer": "HTTP 200"})
    return HeardLine(at, text)


def broken(at: float, number: int, connection: str = KEPT) -> HeardLine:
    text = json.dumps({"connection": connection, "number": number, "error": "reset by peer"})
    return HeardLine(at, text)


WELL = (asked(9.0, 1), answered(9.1, 1))


@pytest.mark.parametrize(
    "lines",
    [
        # Held: the answer comes when it passes again, or never.
        (*WELL, asked(9.9, 2), answered(20.3, 2)),
        (*WELL, asked(10.5, 2)),
        # Reset.
        (*WELL, asked(9.9, 2), broken(10.1, 2)),
        # Reset before the proxy had answered that it does.
        (*WELL, asked(9.7, 2), broken(9.9, 2)),
        # Answered just before the cut, heard just after its begin; the next one was cut.
        (*WELL, asked(9.8, 2), answered(10.2, 2), asked(10.6, 3)),
    ],
    ids=["held", "silent", "reset", "reset at once", "heard late"],
)
def test_a_connection_is_cut_when_it_was_answered_before_and_not_meanwhile(
    lines: tuple[HeardLine, ...],
) -> None:
    assert cut_in(lines, KEPT, WHILE).is_cut


@pytest.mark.parametrize(
    "lines",
    [
        (*WELL, asked(14.0, 2), answered(14.1, 2)),
        (*WELL, asked(14.0, 2), answered(14.1, 2), asked(15.0, 3), broken(15.1, 3)),
        (asked(10.5, 1),),
        WELL,
        (*WELL, asked(20.5, 2)),
        (*WELL, asked(9.5, 2), broken(9.7, 2)),
        (),
    ],
    ids=[
        "answered",
        "answered once",
        "never answered",
        "not asked",
        "asked later",
        "broken before",
        "silent",
    ],
)
def test_anything_less_is_no_proof_of_a_cut(lines: tuple[HeardLine, ...]) -> None:
    assert not cut_in(lines, KEPT, WHILE).is_cut


def test_the_two_kinds_of_connection_are_told_apart() -> None:
    lines = [*WELL, asked(12.0, 2), asked(9.0, 1, NEW), answered(9.1, 1, NEW),
             asked(12.0, 2, NEW), answered(12.1, 2, NEW)]  # fmt: skip

    assert cut_in(lines, KEPT, WHILE) == LinkCut(before=1, asked=1, answered=0)
    assert cut_in(lines, NEW, WHILE) == LinkCut(before=1, asked=1, answered=1)
