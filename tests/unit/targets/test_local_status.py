"""The exit code of `status`: down is 1, unanswered is 3, and silence is never health."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.status import Capture, Leader, ProcessStatus, Status, UnknownFact

HEALTHY = ProcessStatus(
    name="payments-worker-0",
    service="payments-worker",
    state="running",
    pid=10,
    uptime_seconds=5.0,
    restarts=0,
    port=20_000,
    ready=True,
    detail="",
    lag=0,
)
LEADER = Leader("outbox-publisher-1", backend_pid=7, term=3, held_seconds=1.0)


def exit_of(
    process: ProcessStatus = HEALTHY,
    leader: Leader | UnknownFact | None = LEADER,
    open_payments: UnknownFact | None = None,
) -> tuple[ExitCode, str]:
    return Status("default", (process,), leader, open_payments or (), ()).exit()


def test_all_healthy_is_a_pass() -> None:
    assert exit_of() == (ExitCode.PASS, "all_healthy")


def test_a_process_that_is_down_or_not_ready_is_a_failure() -> None:
    stopped = replace(HEALTHY, state="stopped", pid=None, ready=False)

    assert exit_of(stopped) == (ExitCode.VIOLATED, "something_is_down")
    assert exit_of(replace(HEALTHY, ready=False))[0] is ExitCode.VIOLATED


def test_a_process_that_does_not_answer_is_unknown() -> None:
    mute = replace(HEALTHY, ready=UnknownFact("no answer"))

    assert exit_of(mute) == (ExitCode.UNKNOWN, "could_not_ask")


def test_a_lag_or_a_leader_that_could_not_be_asked_is_unknown() -> None:
    assert exit_of(replace(HEALTHY, lag=UnknownFact("no broker")))[0] is ExitCode.UNKNOWN
    assert exit_of(leader=UnknownFact("no database"))[0] is ExitCode.UNKNOWN
    assert exit_of(open_payments=UnknownFact("no database"))[0] is ExitCode.UNKNOWN


def test_a_lock_that_nobody_holds_is_a_failure() -> None:
    assert exit_of(leader=None)[0] is ExitCode.VIOLATED


@pytest.mark.parametrize(
    ("capture", "code"),
    [
        (Capture("outbox_cdc", True, "reserved", 100), ExitCode.PASS),
        (Capture("outbox_cdc", False, "reserved", 100), ExitCode.VIOLATED),
        (Capture("outbox_cdc", True, "lost", 100), ExitCode.VIOLATED),
        (None, ExitCode.VIOLATED),
        (UnknownFact("no database"), ExitCode.UNKNOWN),
    ],
)
def test_where_a_capture_publishes_its_slot_is_asked_for_and_no_leader(
    capture: Capture | UnknownFact | None, code: ExitCode
) -> None:
    status = Status("default", (HEALTHY,), None, (), (), captured=True, capture=capture)

    assert status.exit()[0] is code


def test_an_environment_without_processes_is_vacuous() -> None:
    assert Status("default", (), LEADER, (), ()).exit()[0] is ExitCode.VACUOUS
