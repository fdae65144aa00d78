"""supervisor's log says honestly how often a process was restarted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bookpayctl.targets.local.supervise.endings import last_end, restarts
from bookpayctl.targets.local.supervise.supervisor import (
    ProcessInfo,
    Supervisor,
)
from bookpayctl.targets.local.supervise.waiting import _Deaths, last_words

LOG = """\
2026-11-22 10:00:00,000 INFO spawned: 'worker' with pid 10
2026-11-22 10:00:00,001 INFO spawned: 'gateway' with pid 11
2026-11-22 10:00:05,000 WARN exited: worker (terminated by SIGKILL; not expected)
2026-11-22 10:00:06,000 INFO spawned: 'worker' with pid 12
2026-11-22 10:00:07,000 INFO waiting for gateway to stop
2026-11-22 10:00:07,100 INFO stopped: gateway (exit status 0)
2026-11-22 10:00:08,000 INFO spawned: 'gateway' with pid 13
2026-11-22 10:00:09,000 WARN exited: gateway (exit status 2; not expected)
2026-11-22 10:00:10,000 INFO spawned: 'gateway' with pid 14
"""


def info(state: str, started_at: float) -> ProcessInfo:
    return ProcessInfo("worker", state, None, started_at, 2, "")


def test_a_crash_is_a_restart_and_a_wanted_stop_is_not() -> None:
    assert restarts(LOG) == {"worker": 1, "gateway": 1}


def test_how_a_process_ended_is_taken_from_the_daemons_log() -> None:
    assert last_end(LOG, "gateway") == "exit status 2"
    assert last_end(LOG, "worker") == "terminated by SIGKILL"
    assert last_end(LOG, "kafka") == ""


def test_no_daemon_has_no_pid(tmp_path: Path) -> None:
    assert Supervisor(tmp_path / "none.sock").pid() is None


def test_dying_once_is_bad_luck_and_twice_is_hopeless() -> None:
    deaths = _Deaths()

    assert deaths.is_hopeless(info("BACKOFF", 100.0)) is False
    assert deaths.is_hopeless(info("BACKOFF", 100.0)) is False
    assert deaths.is_hopeless(info("RUNNING", 101.5)) is False
    assert deaths.is_hopeless(info("EXITED", 101.5)) is True


def test_what_supervisor_has_given_up_is_hopeless_at_once() -> None:
    assert _Deaths().is_hopeless(info("FATAL", 100.0)) is True


@pytest.mark.parametrize(
    "said", ["Exited too quickly (process log may have details)", "Bad exit code 2", ""]
)
def test_an_end_is_told_in_one_way_however_soon_after_the_start_it_came(
    said: str, tmp_path: Path
) -> None:
    ended = replace(info("BACKOFF", 0.0), error=said)

    assert last_words(ended, tmp_path) == "ended each time it was started (exit status 2)"


def test_what_could_not_be_started_is_told_in_the_daemons_words(tmp_path: Path) -> None:
    ended = replace(info("FATAL", 0.0), error="can't find command 'nothing'")

    assert last_words(ended, tmp_path) == "can't find command 'nothing'"
