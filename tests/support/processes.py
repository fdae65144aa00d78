"""Real processes on free ports: start, wait until ready, kill, and keep their logs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import psutil

from bookpayctl.targets.servers.free_ports import free_ports
from bookpayctl.targets.servers.owner import Owner
from tests.support.http_client import Answer, http
from tests.support.waiting import PATIENCE_SECONDS, eventually

T = TypeVar("T")

STOP_SECONDS: Final = 30.0
LOOK_SECONDS_MAX: Final = 5.0
ROOT: Final = Path(__file__).resolve().parents[2]
HEEDING: Final = ("env", "--default-signal=INT,TERM,HUP")
"""Before a command: it heeds these also where the tests run under nohup, or in the background."""


_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on and that this run has given to nobody else."""
    port = next(port for port in free_ports(len(_given) + 1) if port not in _given)
    _given.add(port)
    return port


class Child:
    """A process of the tests' own and its log; one that is started again goes on with the log."""

    def __init__(self, name: str, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self.process: subprocess.Popen[bytes] | None = None

    def launch(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        directory: Path = ROOT,
        owner: Owner | None = None,
    ) -> None:
        """Start it and return at once.

        Args:
            environment: by default the tests' own.
            owner: whom it runs as, by default as the tests do.
        """
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C in the terminal reaches the test run, which then stops it.
                start_new_session=True,
                user=owner.uid if owner else None,
                group=owner.gid if owner else None,
                extra_groups=[] if owner else None,
            )

    @property
    def log(self) -> str:
        """What all its starts have written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def started(self) -> subprocess.Popen[bytes]:
        """The process of its last start."""
        assert self.process is not None, f"{self.name} was never started"
        return self.process

    @property
    def pid(self) -> int:
        return self.started.pid

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def wait_until(self, question: Callable[[], T | None], what: str) -> T:
        """The first true answer of a process that is starting; one that ends fails the test."""

        def asked() -> T | None:
            assert not self.has_ended(), f"{self.name} ended:\n{self.log[-4000:]}"
            return question()

        return eventually(asked, lambda: f"{self.name} {what}; log:\n{self.log[-2000:]}")

    def wait_end(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until it ends by itself; returns the exit status, negative for a signal."""
        return self.started.wait(timeout=seconds)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.started.kill()
        self.started.wait(timeout=STOP_SECONDS)

    def stop(self) -> int | None:
        """TERM, then KILL; returns the exit status, None if it was never started."""
        stop_all([self])
        return self.process.returncode if self.process else None


def cut_the_power(alive: Callable[[], Collection[psutil.Process]]) -> None:
    """SIGKILL all there is, as when the machine goes, until nothing is left.

    The oldest first: a supervisor that outlives its children starts them again.

    Args:
        alive: what there is now, zombies left out.
    """

    def is_dark() -> bool:
        found = sorted(alive(), key=lambda process: process.create_time())
        for process in found:
            # Gone by itself meanwhile, as the children of a database that miss their parent.
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return not found

    eventually(is_dark, "nothing is alive")


def stop_all(
    children: Collection[Child], politely: Mapping[str, signal.Signals] | None = None
) -> None:
    """Ask all that run to end, then wait for each, and kill those that do not in time.

    Args:
        politely: with which signal a child of that name is asked, where it is not TERM.
    """
    living = [child for child in children if child.process and child.process.poll() is None]
    for child in living:
        child.started.send_signal((politely or {}).get(child.name, signal.SIGTERM))
    for child in living:
        try:
            child.started.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()


class ServiceProcess(Child):
    """One service as the supervisor would run it; every start has the same name and port.

    Attributes:
        variables: what it gets beside its own name and port; the next start has what is here then.
    """

    def __init__(
        self, name: str, arguments: tuple[str, ...], variables: Mapping[str, str], directory: Path
    ) -> None:
        super().__init__(name, directory / f"{name}.log")
        self.arguments = arguments
        self.variables = variables
        self.directory = directory
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> ServiceProcess:
        """Start it and return at once."""
        own = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(ROOT),
            "BOOKPAY_PROCESS_NAME": self.name,
            "BOOKPAY_HTTP_HOST": "127.0.0.1",
            "BOOKPAY_HTTP_PORT": str(self.port),
            "BOOKPAY_RUN_DIR": str(self.directory / "runs"),
        }
        self.launch([sys.executable, "-m", "runtime", *self.arguments], {**own, **self.variables})
        return self

    def is_ready(self) -> bool:
        return all(holds for name, holds in self.readiness().items() if name != "stripe_circuit")

    def readiness(self) -> dict[str, bool]:
        """The conditions of /readyz; one that does not hold while nobody answers.

        A circuit that another worker's payments have closed elsewhere stays open here until this
        worker has a payment to probe with, so `is_ready` does not wait for it.
        """
        answer = http.attempt("GET", f"{self.url}/readyz", timeout_seconds=LOOK_SECONDS_MAX)
        if not isinstance(answer, Answer):
            return {"http": False}
        checks: dict[str, bool] = answer.json["checks"]
        return checks

    def readiness_reasons(self) -> dict[str, str]:
        """Why conditions of /readyz do not hold, as the process says it."""
        answer = http.request("GET", f"{self.url}/readyz")
        reasons: dict[str, str] = answer.json.get("reasons", {})
        return reasons

    def wait_ready(self) -> ServiceProcess:
        self.wait_until(self.is_ready, "is ready")
        return self


@contextmanager
def running(service: ServiceProcess) -> Iterator[ServiceProcess]:
    """One service, ready; stopped at the end."""
    with all_running([service]):
        yield service


@contextmanager
def stopped(service: ServiceProcess) -> Iterator[None]:
    """One service that runs, away for the length of the block, and ready again behind it."""
    service.stop()
    try:
        yield
    finally:
        service.start().wait_ready()


@contextmanager
def all_running(services: Collection[ServiceProcess]) -> Iterator[None]:
    """Start all at once, go on when each is ready, and stop all at once, whatever happened."""
    try:
        for service in services:
            service.start()
        for service in services:
            service.wait_ready()
        yield
    finally:
        stop_all(services)
