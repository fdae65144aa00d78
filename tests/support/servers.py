"""Only PostgreSQL and Kafka, as child processes in one folder: for tests and benchmarks.

An environment runs them under supervisor instead. Here they live as long as the `with` block,
without migrations and without topics, and the folder is the caller's to remove.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.local.machine.owner import (
    Owner,
    can_run,
    can_traverse,
    database_owner,
    make_open,
)
from bookpayctl.targets.local.machine.ports import free_ports
from bookpayctl.targets.local.servers import aot, jars, kafka, postgres
from bookpayctl.targets.local.supervise.readiness import kafka_answers, postgres_answers

_MADE_FOR: Final = "made-for"

READY_SECONDS_MAX: Final = 60
STOP_SECONDS_MAX: Final = 20


class ServersError(RuntimeError):
    """A server did not come up; the message holds the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the two servers are.

    Attributes:
        dsn: of database `bookpay` as its owner, with `passfile` instead of a password; empty
            when PostgreSQL was not asked for.
        kafka_bootstrap_servers: empty when Kafka was not asked for.
        psql_dir: the folder of psql, pgbench and the other clients.
        pids: of the two server processes, by name: `postgres`, `kafka`.
    """

    dsn: str
    kafka_bootstrap_servers: str
    psql_dir: Path
    pids: dict[str, int]


@contextmanager
def running_servers(
    directory: Path, *, with_postgres: bool = True, with_kafka: bool = True
) -> Iterator[Servers]:
    """Start the servers in `directory` and stop them at the end, whatever happened between.

    Works as root (PostgreSQL then runs as an unprivileged user, in a folder of its own when that
    user cannot reach `directory`) and as anyone else. Ports are free ones. A second call with
    the same directory finds the data of the first.

    Args:
        directory: made when missing; keeps data and logs.
        with_postgres: whether to start PostgreSQL.
        with_kafka: whether to start Kafka; the first time ever fetches its jars.

    Raises:
        ServersError: one did not answer within READY_SECONDS_MAX.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    database = _database(directory)
    passfile = directory / "pgpass"
    broker: kafka.Kafka | None = None
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        if with_kafka:
            folder = jars.ensure(jars.cache_dir(), _silent)
            aot.ensure(folder)
            broker = kafka.Kafka(folder, directory / "kafka", *free_ports(2))
            kafka.prepare(broker)
            children["kafka"] = _start(directory, "kafka", broker.command(), broker.home, None)
        if with_postgres:
            _prepare_database(database, passfile)
            children["postgres"] = _start(
                directory, "postgres", database.command(), database.data_dir, database.owner
            )
        dsn = database.dsn(passfile)
        if with_postgres:
            _wait(directory, "postgres", children["postgres"], lambda: postgres_answers(dsn))
        if broker is not None:
            servers = broker.bootstrap_servers
            _wait(directory, "kafka", children["kafka"], lambda: kafka_answers(servers))
        yield Servers(
            dsn=dsn if with_postgres else "",
            kafka_bootstrap_servers=broker.bootstrap_servers if broker else "",
            psql_dir=database.bin_dir,
            pids={name: child.pid for name, child in children.items()},
        )
    finally:
        _stop(children)


def _database(directory: Path) -> postgres.Postgres:
    owner = database_owner(os.environ)
    installation, home = postgres.wheel_installation(), directory / "postgres"
    if owner is not None and not can_traverse(owner, directory):
        home = _outside(directory) / "postgres"
    if owner is not None and not can_run(owner, installation / "bin" / "postgres"):
        installation = postgres.copy_installation(home.parent / "postgresql")
    (port,) = free_ports(1)
    return postgres.Postgres(installation, home / "data", port, owner)


def _outside(directory: Path) -> Path:
    """A folder the database's user can reach, found again by a second call for `directory`.

    Folders whose `directory` is gone are removed first: nobody else would.
    """
    temporary = Path(tempfile.gettempdir())
    for folder in temporary.glob("bookpay-test-*"):
        mark = folder / _MADE_FOR
        if mark.exists() and not Path(mark.read_text()).exists():
            shutil.rmtree(folder, ignore_errors=True)
    folder = temporary / f"bookpay-test-{directory.as_posix().replace('/', '-').strip('-')}"
    make_open(folder)
    (folder / _MADE_FOR).write_text(str(directory))
    return folder


def _prepare_database(database: postgres.Postgres, passfile: Path) -> None:
    if not passfile.exists():
        password = secrets.token_urlsafe(24)
        passfile.touch(mode=0o600)
        passfile.write_text(postgres.passfile_line(password))
    password = passfile.read_text().strip().rpartition(":")[2]
    postgres.initialise(database, password)
    postgres.write_settings(database)


def _start(
    directory: Path, name: str, command: list[str], home: Path, owner: Owner | None
) -> subprocess.Popen[bytes]:
    switch = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner else {}
    with (directory / f"{name}.log").open("ab") as log:
        # Its own group: a Ctrl-C in the terminal reaches the test run, which then stops it.
        child: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
            **switch,  # type: ignore[call-overload]
        )
        return child


def _wait(
    directory: Path, name: str, child: subprocess.Popen[bytes], answers: Callable[[], bool]
) -> None:
    def ended_or_answers() -> bool:
        return child.poll() is not None or answers()

    wait_until(ended_or_answers, bool, deadline_seconds=READY_SECONDS_MAX)
    if child.poll() is not None or not answers():
        log = (directory / f"{name}.log").read_text(errors="replace")
        last = "\n".join(log.splitlines()[-10:])
        raise ServersError(f"{name} did not come up (exit {child.poll()}):\n{last}")


def _stop(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ask all at once, then wait for each; kill the ones that do not end in time."""
    for name, child in children.items():
        # SIGINT is PostgreSQL's fast shutdown; TERM would wait for every client to leave.
        child.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
    for child in children.values():
        try:
            child.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _silent(_arrived: int, _total: int) -> None:
    """Tests have no use for a progress bar."""
