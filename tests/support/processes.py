"""Real processes on free ports: start, wait until ready, kill, and keep their logs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import urllib3

from tests.support.servers import free_ports

T = TypeVar("T")

PATIENCE_SECONDS: Final = 60.0
"""How long a condition may take on a machine that is busy with something else."""

STOP_SECONDS: Final = 25.0
ROOT: Final = Path(__file__).resolve().parents[2]

http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(30.0), maxsize=64)

_never = threading.Event()


def eventually(question: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """The first true answer to `question`; the test fails at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            missed = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {seconds:g} s: {missed}")
        _never.wait(0.05)


@dataclass
class ServiceProcess:
    """One service as the supervisor would run it; every start has the same name and port."""

    name: str
    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    directory: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was never started"
        return self.process.pid

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
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "runtime", *self.arguments],
                env={**own, **self.variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} ended:\n{self.log[-4000:]}"
        return all(holds for name, holds in self.readiness().items() if name != "stripe_circuit")

    def readiness(self) -> dict[str, bool]:
        """The conditions of /readyz; one that does not hold while nobody answers.

        A circuit that another worker's payments have closed elsewhere stays open here until this
        worker has a payment to probe with, so `is_ready` does not wait for it.
        """
        try:
            body = http.request("GET", self.url + "/readyz", timeout=5.0).data
        except urllib3.exceptions.HTTPError:
            return {"http": False}
        checks: dict[str, bool] = json.loads(body)["checks"]
        return checks

    def answers(self, path: str) -> bool:
        """Whether a GET is answered 200."""
        try:
            return http.request("GET", self.url + path, timeout=5.0).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def wait_ready(self) -> ServiceProcess:
        eventually(self.is_ready, lambda: f"{self.name} is ready; log:\n{self.log[-2000:]}")
        return self

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def wait_end(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until it ends by itself; returns the exit status, negative for a signal."""
        assert self.process is not None
        return self.process.wait(timeout=seconds)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=STOP_SECONDS)

    def stop(self) -> int | None:
        """TERM, then KILL; returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode
