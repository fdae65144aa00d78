"""Processes of an environment that nobody looks after any more, found and ended by pid.

After a power cut, or when supervisor was killed, its children may still run. They are known by
the environment id they carry, never by name; a database's workers, which overwrite their
environment, by their program and working directory, which is our data directory.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import psutil

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.local.machine.state import ID_VARIABLE

# Services drain for at most 10 s and the database's fast shutdown takes about one.
_END_SECONDS_MAX: Final = 12
_KILL_SECONDS_MAX: Final = 5


class LeftoversError(TargetError):
    """A process of ours does not end even when killed."""

    code = ExitCode.DIRTY
    reason = "processes_left"


def find(environment_id: str, postgres_data_dir: Path | None) -> list[psutil.Process]:
    """Every living process of the environment, in no order.

    Processes we may not look into are strangers: ours run as the caller, or, when the caller is
    root, as anyone.
    """
    return [
        process
        for process in psutil.process_iter()
        if _is_ours(process, environment_id, postgres_data_dir)
    ]


def end(processes: Sequence[psutil.Process]) -> None:
    """End the processes: asked first, killed when they do not listen.

    Services go first, while what they talk to still answers, so that they drain instead of
    waiting for it; the database goes last.

    Raises:
        LeftoversError: one survived the kill.
    """
    databases = [process for process in processes if _is_database(process)]
    services = [process for process in processes if _is_service(process)]
    servers = [p for p in processes if p not in databases and p not in services]
    _end(services, signal.SIGTERM)
    _end(servers, signal.SIGTERM)
    # SIGINT is the fast shutdown; TERM would wait for clients that are not ours to end.
    _end(databases, signal.SIGINT)


def remove_stale_pid_file(postgres_data_dir: Path) -> None:
    """Remove PostgreSQL's lock file when no process of that data directory lives.

    PostgreSQL checks only whether *a* process with that pid exists, and after a restart of the
    machine the number may belong to anybody. Call it after `end`, while the environment's lock
    is held.
    """
    pid_file = postgres_data_dir / "postmaster.pid"
    if not pid_file.exists():
        return
    if not any(_runs_in(process, postgres_data_dir) for process in psutil.process_iter()):
        pid_file.unlink()


def _is_ours(process: psutil.Process, environment_id: str, data_dir: Path | None) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.environ().get(ID_VARIABLE) == environment_id:
            return True
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return data_dir is not None and _runs_in(process, data_dir)


def _runs_in(process: psutil.Process, data_dir: Path) -> bool:
    """Whether it is a PostgreSQL process of this data directory."""
    try:
        return process.cwd() == str(data_dir.resolve()) and _is_database(process)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _is_database(process: psutil.Process) -> bool:
    try:
        return Path(process.exe()).name == "postgres"
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _is_service(process: psutil.Process) -> bool:
    """Services are told their own name; servers, and supervisor itself, are not."""
    try:
        return "BOOKPAY_PROCESS_NAME" in process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _end(processes: Iterable[psutil.Process], request: signal.Signals) -> None:
    alive = list(processes)
    for step, seconds in ((request, _END_SECONDS_MAX), (signal.SIGKILL, _KILL_SECONDS_MAX)):
        for process in alive:
            try:
                process.send_signal(step)
            except psutil.NoSuchProcess:
                continue
        _, alive = psutil.wait_procs(alive, timeout=seconds)
        # A zombie has ended; whoever is its parent has not looked yet.
        alive = [process for process in alive if not _is_zombie(process)]
    if alive:
        pids = ", ".join(str(process.pid) for process in alive)
        raise LeftoversError(f"processes {pids} of this environment do not end even when killed")


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def works_in(pid: int, folder: Path) -> bool:
    """Whether a process works in this very folder, not in one that bore its name and was removed.

    Where the machine does not tell, it does.
    """
    try:
        at = Path(f"/proc/{pid}/cwd").stat()
    except OSError:
        return True
    try:
        here = folder.stat()
    except FileNotFoundError:
        return False
    return (at.st_dev, at.st_ino) == (here.st_dev, here.st_ino)
