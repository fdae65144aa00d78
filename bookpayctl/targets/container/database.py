"""PostgreSQL in a pod: made when it is not there, given its password, run, stopped.

The data lie in a folder of the server's major version below the volume's, which the server makes
and owns: a volume's own folder belongs to whoever mounted it. A lock, which the server and every
program that works on its data hold too, keeps a second pod on the same volume out until the last
of the first has gone; what its process ids would say is of another pod's counting.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import psutil

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets import children
from bookpayctl.targets.container import foreground
from bookpayctl.targets.container.secret import read_secret
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.servers import postgres
from bookpayctl.targets.servers.owner import database_owner, make_open

EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a pod's own; who may come in is pg_hba's to say

# A predecessor on the same volume has as long to end as its platform grants it.
_LOCK_SECONDS_MAX: Final = 60.0
_POLL_SECONDS: Final = 0.2

_LOCK_FILE: Final = "server.lock"
# Which password the role was given last, as the server keeps it: no password can be read from it.
_VERIFIER_FILE: Final = "password.scram"

Say = Callable[[str], None]


class DatabaseInUseError(TargetError):
    """Another server works on these data; the message says which folder."""

    reason = "data_in_use"


class NotStoppedError(TargetError):
    """The server was asked to stop and has not within the deadline."""

    code = ExitCode.DEADLINE
    reason = "not_stopped"


def run(data: Path, port: int, password_file: Path, say: Say) -> int:
    """Run the server in the foreground until it is told to stop; returns its exit status.

    Args:
        data: the folder for it, on the volume; made when missing.
        password_file: the password of role `bookpay`. One that is not the last one is set before
            the server starts; who changes it starts the server anew.

    Raises:
        SecretError: there is no password.
        DatabaseInUseError: another server does not leave the data.
        OwnerError, PostgresError: it cannot run here.
    """
    password = read_secret(password_file)
    make_open(data)
    server = _server(data, port)
    with _alone(data / _LOCK_FILE, say) as lock:
        server = replace(server, kept_open=(lock,))
        # Nobody but us is here, so it is what a killed server left; its number may be anybody's
        # by now, and the server would refuse to start beside him.
        (server.data_dir / "postmaster.pid").unlink(missing_ok=True)
        _prepare(server, password, data / _VERIFIER_FILE, say)
        return foreground.run(
            server.command(),
            directory=Path("/"),
            variables=children.variables(),
            owner=server.owner,
            kept_open=server.kept_open,
        )


def stop(data: Path, deadline_seconds: float) -> bool:
    """Ask the server on these data for a fast shutdown, and wait until it is gone.

    Returns:
        Whether there was one.

    Raises:
        NotStoppedError: it is still there at the deadline.
    """
    process = _postmaster(data)
    if process is None:
        return False
    process.send_signal(signal.SIGINT)
    try:
        process.wait(deadline_seconds)
    except psutil.TimeoutExpired as error:
        raise NotStoppedError(
            f"the server on {data}, process {process.pid}, did not stop within"
            f" {deadline_seconds:g} s"
        ) from error
    return True


def _server(data: Path, port: int) -> postgres.Postgres:
    return postgres.Postgres(
        installation=postgres.wheel_installation(),
        data_dir=_data_dir(data),
        port=port,
        owner=database_owner(os.environ),
        listen_host=EVERY_ADDRESS,
        clients="all",
    )


def _data_dir(data: Path) -> Path:
    return data / str(postgres.MAJOR) / "data"


def _prepare(server: postgres.Postgres, password: str, verifier_file: Path, say: Say) -> None:
    """Make the data directory, or bring an existing one to the password and the settings."""
    if postgres.initialise(server, password):
        say("data directory made")
    elif not _is_last(password, verifier_file):
        postgres.set_password(server, password)
        say("the password is another one; it was set")
    # After the server knows it: cut off in between, the next start sets it once more.
    verifier_file.touch(mode=0o600)
    verifier_file.write_text(postgres.scram_verifier(password))
    postgres.write_settings(server)


def _is_last(password: str, verifier_file: Path) -> bool:
    try:
        return postgres.verifies(verifier_file.read_text(), password)
    except (FileNotFoundError, ValueError):
        # Never written, or cut short.
        return False


@contextmanager
def _alone(path: Path, say: Say) -> Iterator[int]:
    """Hold the lock; the block gets its descriptor.

    Raises:
        DatabaseInUseError: somebody else still holds it at the deadline.
    """
    with path.open("a") as file:

        def try_it() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not try_it():
            say(f"waiting for the server that still works in {path.parent}")
            waited = wait_until(
                try_it,
                lambda held: held,
                deadline_seconds=_LOCK_SECONDS_MAX,
                every_seconds=_POLL_SECONDS,
            )
            if not waited.reached:
                raise DatabaseInUseError(
                    f"another server still works in {path.parent} after {_LOCK_SECONDS_MAX:g} s"
                )
        yield file.fileno()


def _postmaster(data: Path) -> psutil.Process | None:
    """The server that runs on these data, as its own file says and its command line confirms."""
    try:
        first = (_data_dir(data) / "postmaster.pid").read_text().splitlines()[0]
        process = psutil.Process(int(first))
        arguments = process.cmdline()
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
        return None
    return process if str(_data_dir(data)) in arguments else None
