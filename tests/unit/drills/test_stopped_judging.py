"""A drill whose judging is stopped says what it saw until then."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import cast

from bookpayctl.drill.run import _conclude_unless_stopped, _Progress
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.load.sender import Accepted
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runs.interrupts import Stopped


def test_a_signal_while_a_drill_is_judged_is_its_exit_code_and_no_end_without_a_report() -> None:
    said = []

    def observe(line: str) -> None:
        said.append(line)
        if line == "waiting for the stack to come to rest":
            raise Stopped(signal.SIGTERM)

    context = SimpleNamespace(observe=observe, deadline_seconds=1.0, environment=None)
    progress = _Progress(accepted=Accepted(1, 1, 0, 0, {}, {}, [], 0, 0))

    _conclude_unless_stopped(cast(DrillContext, context), progress)

    assert progress.incidents == [ExitCode.TERMINATED]
    assert said[-1] == "stopped by SIGTERM"
