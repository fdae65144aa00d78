"""A storm is made smaller as long as it violates the same, and what is left can be run again."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

from bookpayctl.report.verdict import Verdict
from bookpayctl.selftest import shrinking
from bookpayctl.selftest.shrinking import ShrinkRequest, script_of, smallest
from bookpayctl.storm.kinds import KAFKA_KILLED, POSTGRES_KILLED, PROCESS_KILLED
from bookpayctl.storm.schedule import (
    CALM_SECONDS,
    PlannedFault,
    Schedule,
    lighter,
    read_schedule,
    with_faults,
)

FAULTS = (
    PlannedFault(1, POSTGRES_KILLED, 2.0, 1.0, targets=("postgres",)),
    PlannedFault(3, PROCESS_KILLED, 9.5, 1.0, "one", ("worker-1",)),
    PlannedFault(4, KAFKA_KILLED, 21.0, 1.0, targets=("kafka",)),
    PlannedFault(7, PROCESS_KILLED, 30.0, 1.0, "one", ("worker-2",)),
)
WHOLE = Schedule(5, "everything", 75.0, 10.0, FAULTS)


def request_of(into: Path, *, confirmations: int = 5) -> ShrinkRequest:
    return ShrinkRequest("run-1", WHOLE, "I10", 1, confirmations, 60.0, into)


class Told(shrinking.StackTries):
    """Answers without a stack, always the same."""

    def __init__(self, request: ShrinkRequest, *, red: bool) -> None:
        super().__init__(request, lambda _: None)
        self.red = red

    def once(self, schedule: Schedule) -> bool:
        self.count += 1
        return self.red


def test_faults_that_are_not_needed_are_left_out_and_then_load() -> None:
    def violates(schedule: Schedule) -> bool:
        numbers = {fault.number for fault in schedule.faults}
        return {1, 3} <= numbers and schedule.rate_per_second >= 2.0

    found = smallest(WHOLE, violates)

    assert [fault.number for fault in found.faults] == [1, 3]
    assert found.rate_per_second == 2.5
    assert found.duration_seconds == 23.0
    assert found.seed == WHOLE.seed


def test_what_is_left_strikes_when_it_did() -> None:
    found = with_faults(WHOLE, FAULTS[2:3])

    assert found.faults == FAULTS[2:3]
    assert found.duration_seconds == 22.0 + CALM_SECONDS
    assert with_faults(WHOLE, FAULTS).duration_seconds < WHOLE.duration_seconds
    short = replace(WHOLE, duration_seconds=40.0)
    assert with_faults(short, FAULTS).duration_seconds == 40.0


def test_a_load_is_halved_until_hardly_an_order_comes() -> None:
    half = lighter(WHOLE)

    assert half == replace(WHOLE, rate_per_second=5.0)
    assert lighter(replace(WHOLE, rate_per_second=1.5)) is None


def test_the_script_that_runs_it_again_is_one_that_a_shell_reads(tmp_path: Path) -> None:
    script = tmp_path / "repro.sh"
    script.write_text(script_of(request_of(tmp_path), "4 of 5 tries", Path("/a place/it's there")))

    read = subprocess.run(["/bin/sh", "-n", script], capture_output=True, text=True, check=False)

    assert read.returncode == 0, read.stderr
    assert "4 of 5 tries" in script.read_text()


STAND_IN = """#!/bin/sh
echo "$1" >> "$CALLS"
case $1 in
  up) mkdir -p "$BOOKPAY_HOME/repro/runs/a-run" ;;
  drill) exit 1 ;;
  down) rm -r "$BOOKPAY_HOME/repro" ;;
esac
"""


def test_the_script_keeps_what_the_storm_saw_and_ends_as_it_did(tmp_path: Path) -> None:
    """A shell runs it, with a stand-in for the program, which is tried elsewhere."""
    script, calls = tmp_path / "repro.sh", tmp_path / "calls"
    script.write_text(script_of(request_of(tmp_path), "4 of 5 tries", None))
    program = tmp_path / "bin" / "bookpayctl"
    program.parent.mkdir()
    program.write_text(STAND_IN)
    program.chmod(0o755)
    variables = {"PATH": f"{program.parent}:/usr/bin:/bin", "CALLS": str(calls)}

    ran = subprocess.run(
        ["/bin/sh", script],
        env={**variables, "TMPDIR": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1, ran.stderr
    assert calls.read_text().split() == ["up", "drill", "down"]
    (kept,) = tmp_path.glob("evidence-*")
    assert [run.name for run in kept.iterdir()] == ["a-run"]
    assert [left.name for left in program.parent.iterdir()] == ["bookpayctl"]


def test_a_storm_that_is_never_red_again_is_unknown(tmp_path: Path) -> None:
    asked = Told(request_of(tmp_path / "into"), red=False)

    answers = list(shrinking._shrunk(asked.request, asked))

    assert [(item.id, item.verdict) for item in answers] == [("shrunk/reproduced", Verdict.UNKNOWN)]
    assert "0 of 5" in answers[0].reason


def test_what_is_left_is_written_down_with_how_often_it_was_red(tmp_path: Path) -> None:
    into = tmp_path / "into"
    asked = Told(request_of(into), red=True)

    again, smaller = shrinking._shrunk(asked.request, asked)

    assert again.observed == "5 of 5 tries"
    assert smaller.observed.startswith("4 faults to 1,")
    kept = read_schedule(json.loads((into / "schedule.json").read_text()))
    assert len(kept.faults) == 1
    assert (into / "repro.sh").stat().st_mode & 0o100


def test_what_was_found_until_a_signal_came_is_written_down(tmp_path: Path) -> None:
    asked = Told(request_of(tmp_path / "into"), red=True)
    asked.often(with_faults(WHOLE, FAULTS[:2]))

    item = shrinking._stopped(asked.request, asked)

    assert item.verdict is Verdict.UNKNOWN
    assert "2 faults are left" in item.reason
    kept = read_schedule(json.loads((tmp_path / "into" / "schedule.json").read_text()))
    assert kept.faults == FAULTS[:2]
