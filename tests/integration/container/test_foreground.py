"""The parent of a server: signals in the server's words, statuses, deaths, orphans."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.processes import HEEDING, Child
from tests.support.waiting import eventually

# A server that says which signal it got; INT ends it unless it is stubborn.
SERVER = """
import os, signal, sys, time
def got(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    if number == signal.SIGQUIT or number == signal.SIGINT and "stubborn" not in sys.argv:
        os._exit(7)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(number, got)
if "orphan" in sys.argv:
    between = os.fork()
    if between == 0:
        if os.fork() == 0:
            time.sleep(0.2)
        os._exit(0)
    os.waitpid(between, 0)
print("serving", os.getpid(), flush=True)
while True:
    signal.pause()
"""

PARENT = """
import sys
from pathlib import Path
from bookpayctl.targets import children
from bookpayctl.targets.container import foreground
sys.exit(foreground.run(
    [sys.executable, "-c", *sys.argv[1:]], directory=Path("/"), variables=children.variables(),
    owner=None, kept_open=(), stop_seconds=0.3,
))
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    child = Child("parent", tmp_path / "log")

    def started(*words: str, before: tuple[str, ...] = ()) -> Child:
        child.launch([*before, *HEEDING, sys.executable, "-c", PARENT, SERVER, *words])
        child.wait_until(lambda: "serving" in child.log, "serves")
        return child

    yield started
    if not child.has_ended():
        child.kill()


def server_of(child: Child) -> psutil.Process:
    line = next(line for line in child.log.splitlines() if line.startswith("serving"))
    return psutil.Process(int(line.split()[1]))


@pytest.mark.parametrize(
    ("sent", "got"), [("SIGTERM", "SIGINT"), ("SIGINT", "SIGINT"), ("SIGQUIT", "SIGQUIT")]
)
def test_a_request_to_stop_arrives_in_the_servers_words_and_its_status_is_ours(
    start: Callable[..., Child], sent: str, got: str
) -> None:
    parent = start()

    parent.signal(signal.Signals[sent])

    assert parent.wait_end() == 7
    assert f"got {got}" in parent.log


def test_hup_reaches_the_server_and_stops_nothing(start: Callable[..., Child]) -> None:
    parent = start()

    parent.signal(signal.SIGHUP)

    parent.wait_until(lambda: "got SIGHUP" in parent.log, "got it")
    assert not parent.has_ended()


def test_a_server_that_does_not_stop_in_time_is_shut_down_at_once(
    start: Callable[..., Child],
) -> None:
    parent = start("stubborn")

    parent.signal(signal.SIGTERM)

    assert parent.wait_end() == 7
    assert parent.log.index("got SIGINT") < parent.log.index("got SIGQUIT")


def test_a_server_ended_by_a_signal_gives_a_shells_status(start: Callable[..., Child]) -> None:
    parent = start()

    server_of(parent).kill()

    assert parent.wait_end() == 137


def test_a_parent_that_is_killed_is_followed_by_its_server(start: Callable[..., Child]) -> None:
    parent = start()
    server = server_of(parent)

    parent.kill()

    eventually(lambda: not server.is_running(), "the server is gone")
    assert "got SIGQUIT" in parent.log


@pytest.mark.skipif(os.geteuid() != 0, reason="a namespace of processes needs root")
def test_process_one_reaps_orphans_and_heeds_term(start: Callable[..., Child]) -> None:
    isolated = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    parent = start("orphan", before=isolated)
    first = next(iter(psutil.Process(parent.pid).children()))

    def only_the_server_is_left() -> bool:
        return len(first.children(recursive=True)) == 1

    eventually(only_the_server_is_left, "the orphan is reaped")
    first.send_signal(signal.SIGTERM)

    assert parent.wait_end() == 7
