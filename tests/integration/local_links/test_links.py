"""Callers under a real supervisor are led through proxies and back, whoever finds them so."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bookpayctl.clients.http import ask
from bookpayctl.targets.environment import ProcessSpec
from bookpayctl.targets.link import Link
from bookpayctl.targets.local import links
from bookpayctl.targets.local.links import LinkError
from bookpayctl.targets.local.machine.state import new_id, socket_path
from bookpayctl.targets.local.supervise.configuration import CONFIG_FILE, write_config
from bookpayctl.targets.local.supervise.programs import Program, Tier
from bookpayctl.targets.local.supervise.supervisor import Supervisor, launch
from bookpayctl.targets.servers.free_ports import free_ports
from bookpayctl.targets.toxic import Toxic, Toxicity
from tests.support.waiting import eventually

WEST = Link("west-to-shop", ("west",), "shop")
EAST = Link("east-to-shop", ("east",), "shop")
RESET = Toxic(Toxicity.RESET, 60.0)


class Town:
    """A shop, which answers HTTP, and two who have its address and do nothing with it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "logs").mkdir(parents=True)
        self.port = free_ports(1)[0]
        serve = (sys.executable, "-m", "http.server", str(self.port), "--bind", "127.0.0.1")
        call = (sys.executable, "-c", "import signal; signal.pause()", f"http://{self.shop}/")
        self.specs = (
            ProcessSpec("shop", "shop", self.port),
            ProcessSpec("west", "west", None),
            ProcessSpec("east", "east", None),
        )
        commands = (serve, call, call)
        self.programs = [
            Program(spec, command, root, Tier.SERVICE)
            for spec, command in zip(self.specs, commands, strict=True)
        ]
        self.supervisor = Supervisor(socket_path(root))
        self.write()
        launch(root, new_id())
        eventually(lambda: self.supervisor.pid() is not None, "the daemon answers")
        for spec in self.specs:
            self.supervisor.start(spec.name)
        eventually(self.is_served, "the shop is open")

    @property
    def shop(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def text(self) -> str:
        return (self.root / CONFIG_FILE).read_text()

    def write(self) -> None:
        """As `up` does."""
        write_config(self.root, socket_path(self.root), self.programs)

    def is_served(self) -> bool:
        return ask("GET", f"http://{self.shop}/", timeout_seconds=5).ok

    def processes(self) -> dict[str, int | None]:
        return {found.name: found.pid for found in self.supervisor.processes()}

    def is_running(self, name: str) -> bool:
        return self.processes()[name] is not None

    def called_by(self, name: str) -> str:
        """The address that a caller's process was started with."""
        # Between fork and exec it has no command line of its own.
        words = eventually(lambda: self._command_line(name), f"{name} runs")
        return words[-1].removeprefix("http://").removesuffix("/")

    def _command_line(self, name: str) -> list[str]:
        pid = self.processes()[name]
        words = [] if pid is None else psutil.Process(pid).cmdline()
        return words if words and words[-1].startswith("http") else []

    def divert(self, *wanted: Link) -> None:
        links.divert(self.root, self.supervisor, wanted, self.specs, self.is_running)

    def restore(self) -> None:
        links.restore(self.root, self.supervisor, self.is_running)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    found = Town(tmp_path_factory.mktemp("links") / "town")
    yield found
    daemon = found.supervisor.pid()
    found.supervisor.shutdown()
    if daemon is not None:
        psutil.wait_procs([psutil.Process(daemon)], timeout=30)
    shutil.rmtree(socket_path(found.root).parent)


@pytest.fixture
def town(built: Town) -> Iterator[Town]:
    yield built
    built.restore()


def test_a_caller_goes_through_a_proxy_of_its_own_and_back(town: Town) -> None:
    before, west = town.text, town.processes()["west"]
    shop = town.processes()["shop"]

    town.divert(WEST)
    through = town.called_by("west")
    assert through != town.shop
    assert town.called_by("east") == town.shop, "nobody else is led anywhere"
    assert ask("GET", f"http://{through}/", timeout_seconds=5).ok
    state = links.told(town.root, WEST.name, RESET)
    assert state.toxic is Toxicity.RESET
    assert ask("GET", f"http://{through}/", timeout_seconds=5).status is None
    assert town.is_served(), "only that link is harmed"

    town.restore()
    assert town.called_by("west") == town.shop
    assert town.text == before
    assert set(town.processes()) == {"shop", "west", "east"}
    assert town.processes()["west"] != west
    assert town.processes()["shop"] == shop, "who is called goes on as it was"


def test_whoever_finds_links_led_elsewhere_leads_them_back(town: Town) -> None:
    """As `recover` does after the tool was killed: with nothing but the folder."""
    town.divert(WEST, EAST)
    with pytest.raises(LinkError, match="already; bookpayctl recover"):
        town.divert(WEST)

    links.restore(town.root, Supervisor(socket_path(town.root)), town.is_running)

    assert {town.called_by(name) for name in ("west", "east")} == {town.shop}
    town.restore()
    assert set(town.processes()) == {"shop", "west", "east"}, "twice is as good as once"


def test_one_that_was_killed_between_writing_and_starting_is_finished(town: Town) -> None:
    town.divert(WEST)
    town.supervisor.stop("west")
    eventually(lambda: not town.is_running("west"), "it has stopped")

    town.restore()

    assert town.called_by("west") == town.shop


def test_an_up_leads_everything_back_as_well(town: Town) -> None:
    town.divert(WEST)

    town.write()
    town.restore()

    assert town.called_by("west") == town.shop
    assert set(town.processes()) == {"shop", "west", "east"}


def test_who_does_not_call_it_by_its_address_is_not_led(town: Town) -> None:
    before = town.text

    with pytest.raises(LinkError, match="shop does not call"):
        town.divert(Link("shop-to-shop", ("shop",), "shop"))

    assert town.text == before
