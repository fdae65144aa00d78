"""A signal to the tool in any phase of a drill leaves a stack that is whole or can be recovered.

Fifteen drills on one stack, a few minutes in all, so they are asked for: `nox -s signals`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from bookpayctl.runs import directory
from tests.support.command_line import CommandLine, environment_that_is_up

OPTED_IN = bool(os.environ.get("BOOKPAY_SIGNALS"))

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not OPTED_IN, reason="set BOOKPAY_SIGNALS=1: fifteen drills"),
]

DRILL: Final = ("drill", "run", "outage", "--at", "payments-worker", "--duration", "14s")

PHASES: Final = {
    "before": "checking the steady state",
    "inject": "injecting payments-worker",
    "during": "waiting for the rest of the load",
    "undo": "undoing",
    "verify": "waiting for the stack to come to rest",
}
"""What the drill says on stderr when a phase begins."""

CODES: Final = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with environment_that_is_up(tmp_path_factory.mktemp("signals")) as found:
        yield found
        # After all of them: nobody was charged twice, nothing was lost.
        assert found.ask("audit")["exit"]["code"] == 0


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("phase", PHASES)
def test_a_drill_that_gets_a_signal_leaves_a_stack_that_is_whole_or_can_be_mended(
    phase: str, number: signal.Signals, shop: CommandLine
) -> None:
    drill = begun(shop)
    if phase == "undo":
        # While the worker is away, so that there is something to undo that takes its time.
        wait_for(drill, PHASES["inject"])
        drill.send_signal(signal.SIGINT)
    wait_for(drill, PHASES[phase])

    drill.send_signal(number)
    stdout, _ = drill.communicate()

    left = directory.unrecovered(shop.runs_dir)
    if number is signal.SIGKILL:
        assert drill.returncode == CODES[number]
        assert bool(left) == (phase in ("inject", "during", "undo")), left
    else:
        # An undo that has begun goes to its end, whatever else comes.
        code = CODES[signal.SIGINT] if phase == "undo" else CODES[number]
        document = json.loads(stdout)
        assert (drill.returncode, document["exit"]["code"]) == (code, code)
        # Where nothing was broken yet nothing was asked.
        assert document["verdict"] == ("vacuous" if phase == "before" else "unknown")
        assert left == []
    recovered = shop.ask("recover")
    assert recovered["exit"]["code"] == 0
    assert bool(recovered["entries"]) == bool(left)
    assert shop.ask("recover")["exit"]["reason"] == "nothing_to_recover"
    assert shop.run("order", "place", "--wait", "paid").returncode == 0
    assert shop.run("status").returncode == 0


def begun(shop: CommandLine) -> subprocess.Popen[str]:
    """The drill, with what it says on stderr to be read as it comes."""
    return subprocess.Popen(
        [sys.executable, "-m", "bookpayctl", *DRILL, "-o", "json"],
        env=shop.variables(),
        cwd=shop.home.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(drill: subprocess.Popen[str], words: str) -> None:
    """Read on until the drill says these words; it ends by itself if it never does."""
    assert drill.stderr is not None
    said = []
    for line in drill.stderr:
        said.append(line)
        if words in line:
            return
    raise AssertionError(f"never said {words!r}, but {said}")
