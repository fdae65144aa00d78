"""An environment on this machine: supervisor is asked, its log is the parent's record."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Final

import psutil

from bookpayctl.clients.http import HttpAnswer, NoAnswer, ask
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets import children
from bookpayctl.targets.credentials import WEBHOOK_SECRET
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import NoSuchProcessError, TargetError
from bookpayctl.targets.link import DiversionState, Link
from bookpayctl.targets.local import canaries, links
from bookpayctl.targets.local.machine.state import socket_path
from bookpayctl.targets.local.status import probe_process, read_status
from bookpayctl.targets.local.supervise import logs
from bookpayctl.targets.local.supervise.configuration import LOG_FILE
from bookpayctl.targets.local.supervise.diverted import PROXY_PREFIX
from bookpayctl.targets.local.supervise.endings import parse_log
from bookpayctl.targets.local.supervise.supervisor import ProcessInfo, Supervisor
from bookpayctl.targets.log_lines import LogLine
from bookpayctl.targets.signing_secrets import SigningSecrets, accepted
from bookpayctl.targets.status import Status
from bookpayctl.targets.target import Finished, Mark, Process, ProcessEvents, named, processes_of
from bookpayctl.targets.toxic import Toxic
from bookpayctl.targets.witness import Witness

ASK_SECONDS_MAX: Final = 2.0
CONNECT_SECONDS_MAX: Final = 1.0
STOP_SECONDS_MAX: Final = 60.0

# States of supervisor in which nothing of the process is left, and none is started by itself.
_ENDED: Final = frozenset({"STOPPED", "EXITED", "FATAL"})


class LocalTarget:
    """See `Target`."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._services = {spec.name: spec.service for spec in environment.processes}
        self._ports = {spec.name: spec.port for spec in environment.processes}
        self._places = {spec.name: n for n, spec in enumerate(environment.processes)}
        self._record = environment.logs_dir / LOG_FILE

    @property
    def environment(self) -> Environment:
        return self._environment

    @property
    def _supervisor(self) -> Supervisor:
        return Supervisor(socket_path(self._environment.root))

    def reserve(self, run_id: str) -> AbstractContextManager[None]:
        # Its runs lie in its folder, where the guard looks for one that has not ended.
        del run_id
        return nullcontext()

    def why_not_broken(self) -> str | None:
        # It was brought up by whoever asks, for nothing else.
        return None

    def status(self) -> Status:
        return read_status(self._environment)

    def signing_secrets(self) -> SigningSecrets | None:
        path = self._environment.secrets_dir / WEBHOOK_SECRET
        try:
            text, changed = path.read_text(), path.stat().st_mtime
        except FileNotFoundError:
            return None
        count = accepted(text)
        return SigningSecrets(count, datetime.fromtimestamp(changed, UTC), str(path))

    def processes(self) -> dict[str, Process]:
        return {
            info.name: Process(
                name=info.name,
                service=self._services.get(info.name, info.name),
                state=info.state,
                running=info.state == "RUNNING",
                ended=info.state in _ENDED,
                incarnation=None if info.pid is None else str(info.pid),
            )
            for info in sorted(self._supervisor.processes(), key=self._place_of)
            # A drill's proxy is no part of the environment: nobody kills it, or waits for it.
            if not info.name.startswith(PROXY_PREFIX)
        }

    def _place_of(self, info: ProcessInfo) -> int:
        """In the order in which things are started, which is the environment's."""
        return self._places.get(info.name, len(self._places))

    def kill(self, process: str) -> str | None:
        pid = self._pid(process)
        if pid is None:
            return None
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            # It ended by itself between the question and the signal.
            return None
        return str(pid)

    def stop(self, process: str) -> None:
        for found in self._named(process):
            self._supervisor.stop(found.name)
        gone = wait_until(
            lambda: [now for now in self._named(process) if not now.ended],
            lambda left: not left,
            deadline_seconds=STOP_SECONDS_MAX,
        )
        if not gone.reached:
            left = ", ".join(f"{now.name} is still {now.state}" for now in gone.value)
            raise TargetError(f"{left} after {STOP_SECONDS_MAX:.0f} s")

    def start(self, process: str) -> None:
        for found in self._named(process):
            self._supervisor.start(found.name)

    def freeze(self, process: str) -> None:
        self._signal(process, signal.SIGSTOP)

    def thaw(self, process: str) -> None:
        self._signal(process, signal.SIGCONT)

    def mark(self) -> Mark:
        record = self._record.stat().st_size if self._record.exists() else 0
        files = self._environment.logs_dir.glob("*.log")
        return Mark(record, {path.stem: path.stat().st_size for path in files})

    def events(self, since: Mark) -> ProcessEvents:
        with self._record.open("rb") as file:
            file.seek(since.record)
            return parse_log(file.read().decode("utf-8", "replace"))

    def log_since(self, process: str, since: Mark) -> list[str]:
        path = self._environment.logs_dir / f"{process}.log"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(since.logs.get(process, 0))
            return file.read().decode("utf-8", "replace").splitlines()

    def log_lines(self, processes: Iterable[str]) -> Iterator[LogLine]:
        return logs.read_all(self._environment.logs_dir, processes)

    def follow(self, processes: Iterable[str]) -> Iterator[LogLine]:
        return logs.follow(self._environment.logs_dir, processes, is_over=lambda: False)

    def accepts_connections(self, process: str) -> bool:
        ports = [self._ports.get(found.name) for found in self._named(process)]
        if None in ports:
            raise NoSuchProcessError(f"{process} has no port in environment {self._where}")
        return any(_is_taken(port) for port in ports if port is not None)

    def ask(self, process: str, path: str) -> HttpAnswer:
        port = self._ports.get(process)
        if port is None:
            return HttpAnswer(None, missing=NoAnswer.NOT_SENT, error="it has no port")
        return ask("GET", f"http://127.0.0.1:{port}{path}", timeout_seconds=ASK_SECONDS_MAX)

    def run_once(
        self, service: str, arguments: Sequence[str], *, deadline_seconds: float
    ) -> Finished:
        names = processes_of(self, service)
        if not names:
            raise NoSuchProcessError(f"environment {self._where} has no {service}")
        variables = self._variables_of(names[0])
        # Its own name and any free port; a drill's failpoints are for the ones that do the work.
        variables |= {"BOOKPAY_PROCESS_NAME": f"{service}-once", "BOOKPAY_HTTP_PORT": _free_port()}
        variables.pop("BOOKPAY_FAILPOINTS", None)
        try:
            done = subprocess.run(
                children.python_module("runtime", service, *arguments),
                env=variables,
                capture_output=True,
                text=True,
                timeout=deadline_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TargetError(f"{service} did not end in {deadline_seconds:.0f} s") from error
        return Finished(done.returncode, done.stdout, done.stderr)

    def divert_links(self, wanted: Sequence[Link]) -> None:
        specs = self._environment.processes
        links.divert(self._environment.root, self._supervisor, wanted, specs, self._is_ready)

    def set_toxic_of_link(self, name: str, toxic: Toxic | None) -> DiversionState:
        return links.told(self._environment.root, name, toxic)

    def link_state(self, name: str) -> DiversionState:
        return links.state(self._environment.root, name)

    def restore_links(self) -> None:
        links.restore(self._environment.root, self._supervisor, self._is_ready)

    def place_canary(self, name: str, seconds: float) -> Witness:
        proxied = links.proxy_of(self._environment.root, name)
        return canaries.place(self._environment, proxied, seconds)

    def _is_ready(self, process: str) -> bool:
        spec = next(found for found in self._environment.processes if found.name == process)
        return probe_process(self._environment, spec).ready is True

    @property
    def _where(self) -> str:
        return repr(self._environment.name)

    def _named(self, process: str) -> list[Process]:
        found = named(self.processes(), process)
        if not found:
            raise NoSuchProcessError(f"environment {self._where} has no process {process}")
        return found

    def _pid(self, process: str) -> int | None:
        found = {info.name: info for info in self._supervisor.processes()}.get(process)
        if found is None:
            raise NoSuchProcessError(f"environment {self._where} has no process {process}")
        return found.pid if found.state == "RUNNING" else None

    def _signal(self, process: str, number: signal.Signals) -> None:
        pid = self._pid(process)
        if pid is None:
            raise NoSuchProcessError(f"{process} does not run, so it gets no {number.name}")
        os.kill(pid, number)

    def _variables_of(self, process: str) -> dict[str, str]:
        """The environment variables of a running process, as the kernel has them."""
        pid = self._pid(process)
        if pid is None:
            raise NoSuchProcessError(f"{process} does not run, so its variables cannot be read")
        return dict(psutil.Process(pid).environ())


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(CONNECT_SECONDS_MAX)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> str:
    """A port nobody listens on now; the program serves its metrics there while it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
