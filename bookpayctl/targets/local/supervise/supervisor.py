"""supervisor: its daemon, and the conversation over its Unix socket.

It is the parent of every process of an environment and restarts what dies. It has no TCP port;
the socket lies in a folder only we may enter. Every call here has a deadline.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets import children
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.local.machine.state import ID_VARIABLE
from bookpayctl.targets.local.supervise.configuration import CONFIG_FILE, LOG_FILE

_CALL_SECONDS_MAX: Final = 10.0

# Faults of supervisor's XML-RPC that mean "already so" (its source: supervisor/xmlrpc.py).
_ALREADY_STARTED: Final = 60
_NOT_RUNNING: Final = 70
_ALREADY_ADDED: Final = 90


class SupervisorError(TargetError):
    """supervisor did not do as it was asked."""

    code = ExitCode.UNKNOWN
    reason = "supervisor_mute"
    fix = "bookpayctl down, then bookpayctl up"


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """What supervisor knows of one process.

    Attributes:
        state: RUNNING, STARTING, BACKOFF, STOPPING, STOPPED, EXITED, FATAL or UNKNOWN.
        pid: None when it does not run.
        started_at: POSIX seconds of the last start; 0.0 when never.
        exit_status: of the last end.
        error: why the last start failed, else empty.
    """

    name: str
    state: str
    pid: int | None
    started_at: float
    exit_status: int
    error: str


class Supervisor:
    """One daemon, reached through its socket."""

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path

    def _call(self, method: str, *arguments: object) -> Any:
        """Call once on a fresh connection.

        Raises:
            OSError: nobody listens, or the answer took too long.
            xmlrpc.client.Fault: the daemon refused.
        """
        with xmlrpc.client.ServerProxy(
            "http://supervisor", transport=_UnixTransport(self._socket_path)
        ) as server:
            return getattr(server, method)(*arguments)

    def pid(self) -> int | None:
        """The daemon's pid; None when nobody answers."""
        try:
            return int(self._call("supervisor.getPID"))
        except (OSError, http.client.HTTPException):
            return None

    def processes(self) -> list[ProcessInfo]:
        """Every process it has, by name.

        Raises:
            SupervisorError: it does not answer.
        """
        try:
            answer = self._call("supervisor.getAllProcessInfo")
        except (OSError, http.client.HTTPException) as error:
            raise SupervisorError(f"supervisor does not answer: {error}") from error
        return sorted((_info(entry) for entry in answer), key=lambda info: info.name)

    def start(self, name: str) -> None:
        """Start a process without waiting for it; harmless when it runs."""
        self._tolerant(_ALREADY_STARTED, "supervisor.startProcess", name, False)

    def stop(self, name: str) -> None:
        """Begin to stop a process; harmless when it does not run."""
        self._tolerant(_NOT_RUNNING, "supervisor.stopProcess", name, False)

    def reread(self) -> tuple[list[str], list[str], list[str]]:
        """Read the configuration file again: names that are new, changed and gone."""
        ((added, changed, removed),) = self._call("supervisor.reloadConfig")
        return added, changed, removed

    def add(self, name: str) -> None:
        """Take a new process into service; it is not started by that."""
        self._tolerant(_ALREADY_ADDED, "supervisor.addProcessGroup", name)

    def remove(self, name: str) -> None:
        """Forget a process that has stopped."""
        self._call("supervisor.removeProcessGroup", name)

    def shutdown(self) -> None:
        """Begin to end the daemon and all it runs; harmless when it is gone."""
        try:
            self._call("supervisor.shutdown")
        except (OSError, http.client.HTTPException):
            return

    def _tolerant(self, code: int, method: str, *arguments: object) -> None:
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != code:
                raise SupervisorError(f"{method}{arguments}: {fault.faultString}") from fault
        except (OSError, http.client.HTTPException) as error:
            raise SupervisorError(f"{method}{arguments}: no answer ({error})") from error


def launch(directory: Path, environment_id: str) -> None:
    """Start the daemon, which detaches itself: it outlives the terminal and no Ctrl-C reaches it.

    Its log begins anew, so that the restarts counted in it are those of this daemon.

    Raises:
        SupervisorError: it refused its configuration or its socket.
    """
    log = directory / "logs" / LOG_FILE
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    done = subprocess.run(
        children.python_module("supervisor.supervisord", "-c", str(directory / CONFIG_FILE)),
        cwd=directory,
        # What it starts inherits these and nothing else.
        env=children.python_variables({ID_VARIABLE: environment_id}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_CALL_SECONDS_MAX,
        start_new_session=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise SupervisorError("supervisor did not start: " + " ".join(last))


def _info(entry: Mapping[str, Any]) -> ProcessInfo:
    return ProcessInfo(
        name=entry["name"],
        state=entry["statename"],
        pid=entry["pid"] or None,
        started_at=float(entry["start"]),
        exit_status=entry["exitstatus"],
        error=entry["spawnerr"],
    )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, with a deadline on every read."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_CALL_SECONDS_MAX)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CALL_SECONDS_MAX)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> _UnixConnection:
        # Kept where the base class looks, so that its close() closes it.
        connection = _UnixConnection(self._path)
        self._connection = host, connection
        return connection
