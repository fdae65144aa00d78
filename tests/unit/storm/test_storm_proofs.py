"""What a storm may say of itself: nothing that was not seen, and nothing of nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bookpayctl.clients.http import HttpAnswer
from bookpayctl.clients.orders_api import Outcome
from bookpayctl.drill import run as running
from bookpayctl.drill.scenario import Scenario
from bookpayctl.drills.observing.group_watch import is_balanced
from bookpayctl.drills.observing.sightings import sightings_of_clients, sightings_of_logs
from bookpayctl.drills.storm import StormScenario
from bookpayctl.faults.process import ProcessFrozen
from bookpayctl.judge.rows import ClientOperation
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run, read_undo
from bookpayctl.storm.fault import Storm
from bookpayctl.storm.kinds import KAFKA_KILLED, POSTGRES_KILLED, PROCESS_KILLED
from bookpayctl.storm.schedule import PlannedFault, Schedule
from bookpayctl.targets.target import Process, Target

NOWHERE = cast(Target, object())


def planned(number: int, kind: str, *targets: str) -> PlannedFault:
    return PlannedFault(number, kind, float(number), 1.0, targets=targets)


def storm_of(run: Run, *faults: PlannedFault) -> Storm:
    schedule = Schedule(1, "everything", 60.0, 10.0, faults)
    return Storm(NOWHERE, run, prefix="storm", schedule=schedule, observe=lambda _: None)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return directory.begin(tmp_path, "storm")


def seen(good: bool) -> list[Item]:
    if good:
        return [Item("storm/1", "killed", Verdict.HOLDS, "SIGKILL", "SIGKILL", 1)]
    return [unanswered("storm/1", "killed", "SIGKILL", "its parent saw nothing")]


def test_one_fault_that_was_not_proven_makes_the_answer_of_its_kind_unknown(run: Run) -> None:
    storm = storm_of(
        run,
        planned(1, PROCESS_KILLED, "worker-1"),
        planned(2, PROCESS_KILLED, "worker-2"),
        planned(3, KAFKA_KILLED, "kafka"),
    )
    for strike, good in zip(storm.strikes, (True, False, True), strict=True):
        strike.items = seen(good)

    items = {item.id: item for item in storm.prove(deadline_seconds=0.0)}

    assert items["storm/landed-kafka-killed"].verdict is Verdict.HOLDS
    assert items["storm/landed-process-killed"].verdict is Verdict.UNKNOWN
    assert "its parent saw nothing" in items["storm/landed-process-killed"].reason


def test_a_fault_that_never_got_so_far_is_not_proven(run: Run) -> None:
    storm = storm_of(run, planned(1, POSTGRES_KILLED, "postgres"))

    (item,) = storm.prove(deadline_seconds=0.0)

    assert item.verdict is Verdict.UNKNOWN


def test_everything_is_promised_before_anything_is_struck(run: Run) -> None:
    storm = storm_of(
        run, planned(1, PROCESS_KILLED, "worker-1", "worker-2"), planned(2, KAFKA_KILLED, "kafka")
    )

    storm.plan_undo()

    assert len(storm.strikes) == 3
    assert len([entry for entry in read_undo(run.path) if not entry.done]) == 4
    assert not any(strike.begun for strike in storm.strikes)


def test_a_storm_without_a_fault_is_vacuous_as_a_whole(run: Run) -> None:
    scenario = SimpleNamespace(
        faults=(storm_of(run),),
        context=SimpleNamespace(deadline_seconds=0.0),
        observes_anyway=True,
        observe=lambda: pytest.fail("nothing followed from nothing"),
    )
    progress = running._Progress()

    (item,) = running._prove_and_observe(cast(Scenario, scenario), progress)

    assert item.verdict is Verdict.VACUOUS
    assert progress.incidents == [ExitCode.VACUOUS]


class Quiet(StormScenario):
    """A storm that is over, and whose load is not."""

    def __init__(self, context: Any, done: list[str]) -> None:
        self.context = context
        self.finish_load = lambda: done.append("the load has ended")


def test_nothing_is_asked_of_the_core_before_the_last_order_is_there(run: Run) -> None:
    done: list[str] = []
    processes = {
        name: Process(name, "payments-worker", "RUNNING", True, False, name)
        for name in ("payments-worker-0", "payments-worker-1")
    }
    target = SimpleNamespace(processes=lambda: processes, stop=lambda name: done.append(name))
    context = SimpleNamespace(target=target, run=run, observe=lambda _: None)

    others = Quiet(context, done)._leave_core()

    assert others == ["payments-worker-1"]
    assert done == ["payments-worker-1", "the load has ended"]


@dataclass
class Sleeper:
    """A process that answers as it is told, and what was done to it."""

    answers: list[int | None]
    done: list[str] = field(default_factory=list)

    def freeze(self, process: str) -> None:
        self.done.append(f"freeze {process}")

    def thaw(self, process: str) -> None:
        self.done.append(f"thaw {process}")

    def ask(self, process: str, path: str) -> HttpAnswer:
        return HttpAnswer(self.answers.pop(0))


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([None, None, 200], Verdict.HOLDS),
        ([None, 200, 200], Verdict.UNKNOWN),
        ([200, None, 200], Verdict.UNKNOWN),
        ([None, None, None], Verdict.UNKNOWN),
    ],
)
def test_who_was_frozen_was_silent_from_begin_to_end_and_answers_again(
    answers: list[int | None], verdict: Verdict, run: Run
) -> None:
    sleeper = Sleeper(answers)
    fault = ProcessFrozen(
        cast(Target, sleeper), run, prefix="storm/1", process="worker-1", seconds=0.0
    )

    fault.inject()
    (item,) = fault.prove(deadline_seconds=0.0)

    assert item.verdict is verdict
    assert sleeper.done == ["freeze worker-1", "thaw worker-1"]


def line(**said: Any) -> str:
    return json.dumps(said)


def test_rare_things_are_counted_as_the_logs_tell_them() -> None:
    counted = sightings_of_logs(
        [
            line(msg="processed payment", replayed=True),
            line(msg="processed payment", replayed=False, result="fenced", event_id="taken-over"),
            line(msg="processed payment", replayed=False, result="fenced", event_id="told-before"),
            "Traceback (most recent call last):",
            "[]",
        ],
        lost={"taken-over"},
    )

    assert +counted == {"key-replayed": 1, "lease-fenced": 1}


def test_a_group_that_shows_others_or_nobody_was_balanced() -> None:
    two = frozenset({"worker-0", "worker-1"})

    assert is_balanced(two, frozenset({"worker-0"}))
    assert is_balanced(two, frozenset())
    assert not is_balanced(two, two)
    assert not is_balanced(frozenset(), two), "nobody was there to lose anything"


def test_a_call_without_an_answer_left_an_order_or_none() -> None:
    unknown = Outcome.UNKNOWN.value
    calls = [
        ClientOperation("a", unknown, None, None),
        ClientOperation("b", unknown, None, None),
        ClientOperation("c", Outcome.OK.value, "order", 1),
    ]

    counted = sightings_of_clients(calls, {"a": "paid", "c": "paid"})

    assert counted == {"order-unknown-placed": 1, "order-unknown-absent": 1}
