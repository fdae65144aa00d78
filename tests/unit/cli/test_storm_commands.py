"""What `drill storm` says before it does anything, and what it refuses to begin with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from bookpayctl.runs import directory
from bookpayctl.storm.kinds import KAFKA_KILLED
from bookpayctl.storm.schedule import PlannedFault, Schedule
from bookpayctl.targets import environment as environments
from tests.support.environments import environment_away
from tests.support.many_commands import run_all

PLAN: Final = ["drill", "storm", "--plan", "-o", "json"]
FAULTS: Final = (PlannedFault(3, KAFKA_KILLED, 2.0, 1.0, targets=("kafka",)),)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    environments.save(environment_away(tmp_path / "default"))
    return tmp_path


def test_a_plan_says_what_will_strike_and_begins_nothing(home: Path) -> None:
    schedule = Schedule(5, "everything", 60.0, 10.0, FAULTS)
    (home / "schedule.json").write_text(json.dumps(schedule.document()))

    drawn, given = run_all(
        [PLAN, [*PLAN, "--schedule", "schedule.json"]], home, {"BOOKPAY_HOME": str(home)}
    )

    assert drawn.code == 3, "nobody says for which processes it is to be drawn"
    assert given.code == 0, given.err
    assert json.loads(given.out)["plan"]["fault 3"] == FAULTS[0].words
    assert not (home / "default" / "runs").exists()


def test_what_is_no_storm_cannot_be_run_or_made_smaller(home: Path) -> None:
    (home / "schedule.json").write_text('{"version": 1, "faults": 3}')
    other = directory.begin(home / "default" / "runs", "outage")
    other.journal("begin", drill="outage")
    right = directory.begin(home / "default" / "runs", "storm")
    right.journal("storm", schedule=Schedule(1, "everything", 60.0, 10.0, ()).document())
    right.keep_report(json.dumps({"items": [{"id": "I10", "verdict": "holds"}]}))

    done = run_all(
        [
            ["drill", "storm", "--schedule", "schedule.json"],
            ["drill", "storm", "--schedule", "not-there.json"],
            ["drill", "storm", "--shrink", other.run_id],
            ["drill", "storm", "--shrink", right.run_id],
            ["drill", "storm", "--shrink", right.run_id, "--invariant", "I10"],
        ],
        home,
        {"BOOKPAY_HOME": str(home)},
    )

    assert [one.code for one in done] == [2] * 5, [one.err for one in done]
    assert "it was no storm" in done[2].err
    assert "that storm violated nothing" in done[3].err


def test_a_storm_of_one_schedule_is_run_once(home: Path) -> None:
    schedule = Schedule(1, "everything", 60.0, 10.0, ())
    (home / "schedule.json").write_text(json.dumps(schedule.document()))

    (done,) = run_all(
        [["drill", "storm", "--schedule", "schedule.json", "--repeat", "2"]],
        home,
        {"BOOKPAY_HOME": str(home)},
    )

    assert done.code == 2, done.out
