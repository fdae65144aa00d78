"""What `drill storm` says before it does anything, and what it refuses to begin with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from bookpayctl.runs import directory
from bookpayctl.storm.schedule import Schedule
from bookpayctl.targets import environment as environments
from bookpayctl.targets.environment import ProcessSpec
from runtime.domain.names import Service
from tests.support.environments import environment_away
from tests.support.many_commands import run_all

SERVICES: Final = [*(service.value for service in Service), "postgres", "kafka", "stripe-twin"]
PLAN: Final = ["drill", "storm", "--duration", "300s", "--plan", "-o", "json"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    processes = tuple(ProcessSpec(f"{name}-0", name, None) for name in SERVICES)
    environments.save(replace(environment_away(tmp_path / "default"), processes=processes))
    return tmp_path


def test_a_plan_says_what_will_strike_and_the_same_seed_says_the_same(home: Path) -> None:
    lines = [[*PLAN, "--seed", seed] for seed in ("5", "5", "6")]

    five, again, six = run_all(lines, home, {"BOOKPAY_HOME": str(home)})

    assert five.code == 0, five.err
    assert five.out == again.out != six.out
    struck = {k: v for k, v in json.loads(five.out)["plan"].items() if k.startswith("fault ")}
    assert len(struck) > 5
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
