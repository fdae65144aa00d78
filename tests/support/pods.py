"""The commands that a pod of our image runs, as processes on free ports of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from bookpayctl.targets.servers.owner import Owner
from tests.support.processes import HEEDING, Child, free_port

# All of 127/8 is this machine; only a listener on every address answers on this one.
OTHER_ADDRESS: Final = "127.0.0.2"


def command_line(*arguments: str) -> list[str]:
    """As the image's entry point runs it."""
    return [*HEEDING, sys.executable, "-P", "-m", "bookpayctl.targets.container", *arguments]


def as_user(owner: Owner) -> list[str]:
    """Before a command: it runs as this user, who may read our Python wherever that lies."""
    reads = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return ["setpriv", f"--reuid={owner.uid}", f"--regid={owner.gid}", "--clear-groups", *reads]


class PodProcess(Child):
    """One command of a pod; every start has the same arguments and goes on with the log."""

    def __init__(
        self,
        name: str,
        directory: Path,
        arguments: Sequence[str],
        *,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, directory / f"{name}.log")
        self.arguments = list(arguments)
        self.variables = {**os.environ, **(variables or {})}

    def start(self) -> None:
        self.launch(command_line(*self.arguments), self.variables)

    def kill_all(self) -> None:
        """SIGKILL for it and for all that it started, as a platform kills a container."""
        os.killpg(self.pid, signal.SIGKILL)
        self.wait_end()


class PodDatabase(PodProcess):
    """PostgreSQL as a pod runs it.

    Attributes:
        password_file: as a Secret would be mounted.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.data = directory / "postgres"
        self.password_file = directory / "password"
        self.password_file.write_text("first secret\n")
        super().__init__(
            "postgres",
            directory,
            [
                *("postgres", "--data", str(self.data), "--port", str(self.port)),
                *("--password-file", str(self.password_file)),
            ],
        )

    @property
    def data_dir(self) -> Path:
        """PostgreSQL's own folder."""
        return self.data / "18" / "data"

    def dsn(self, password: str | None = None, host: str = "127.0.0.1") -> str:
        known = password or self.password_file.read_text().strip()
        return psycopg.conninfo.make_conninfo(
            "", host=host, port=self.port, user="bookpay", dbname="bookpay", password=known
        )

    def connect(self, password: str | None = None, host: str = "127.0.0.1") -> psycopg.Connection:
        return psycopg.connect(self.dsn(password, host), connect_timeout=5, autocommit=True)

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def start_and_wait(self) -> None:
        self.start()
        self.wait_until(self.answers, "answers")


@contextmanager
def open_folder(owner: Owner | None = None) -> Iterator[Path]:
    """A folder that every user may enter, as a volume; it is `owner`'s where one is given."""
    folder = Path(tempfile.mkdtemp(prefix="bookpay-pod-"))
    folder.chmod(0o755)
    if owner is not None:
        os.chown(folder, owner.uid, owner.gid)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def answers_on(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 3).close()
    except OSError:
        return False
    return True
