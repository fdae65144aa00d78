"""Only PostgreSQL and Kafka, as child processes in one folder.

An environment runs them under supervisor instead. Here they live as long as the `with` block,
without migrations and without topics, and the folder is the caller's to remove.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.targets.readiness import kafka_answers, postgres_answers
from bookpayctl.targets.servers import aot, jars, kafka, postgres
from bookpayctl.targets.servers.owner import (
    can_run,
    can_traverse,
    database_owner,
    make_open,
)
from tests.support.processes import Child, free_port, stop_all

_MADE_FOR: Final = "made-for"


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
    directory: Path,
    *,
    with_postgres: bool = True,
    with_kafka: bool = True,
    kafka_port: int | None = None,
    settings: Mapping[str, str] | None = None,
    as_superuser: Sequence[str] = (),
) -> Iterator[Servers]:
    """Start the servers in `directory` and stop them at the end, whatever happened between.

    Works as root (PostgreSQL then runs as an unprivileged user, in a folder of its own when that
    user cannot reach `directory`) and as anyone else. Ports are free ones. A second call with
    the same directory finds the data of the first.

    Args:
        directory: made when missing; keeps data and logs.
        with_postgres: whether to start PostgreSQL.
        with_kafka: whether to start Kafka; the first time ever fetches its jars.
        kafka_port: of the broker, where a test must know it before.
        settings: of PostgreSQL, other than an environment's.
        as_superuser: statements that PostgreSQL runs as such before it listens.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    database = _database(directory)
    passfile = directory / "pgpass"
    broker: kafka.Kafka | None = None
    children: dict[str, Child] = {}
    try:
        if with_kafka:
            folder = fetched_jars()
            aot.ensure(folder)
            port = kafka_port or free_port()
            broker = kafka.Kafka(folder, directory / "kafka", port, free_port())
            kafka.prepare(broker)
            children["kafka"] = Child("kafka", directory / "kafka.log")
            children["kafka"].launch(broker.command(), directory=broker.home)
        if with_postgres:
            _prepare_database(database, passfile, as_superuser)
            children["postgres"] = Child("postgres", directory / "postgres.log")
            command = [*database.command(), *_words_of(settings or {})]
            children["postgres"].launch(command, directory=database.data_dir, owner=database.owner)
        dsn = database.dsn(passfile)
        if with_postgres:
            children["postgres"].wait_until(lambda: postgres_answers(dsn), "answers")
        if broker is not None:
            servers = broker.bootstrap_servers
            children["kafka"].wait_until(lambda: kafka_answers(servers), "answers")
        yield Servers(
            dsn=dsn if with_postgres else "",
            kafka_bootstrap_servers=broker.bootstrap_servers if broker else "",
            psql_dir=database.bin_dir,
            pids={name: child.pid for name, child in children.items()},
        )
    finally:
        # SIGINT is PostgreSQL's fast shutdown; TERM would wait for every client to leave.
        stop_all(children.values(), {"postgres": signal.SIGINT})


def fetched_jars() -> Path:
    """The folder of Kafka's jars on this machine; the first time ever fetches them."""
    return jars.ensure(jars.cache_dir(), _silent)


def _database(directory: Path) -> postgres.Postgres:
    owner = database_owner(os.environ)
    installation, home = postgres.wheel_installation(), directory / "postgres"
    if owner is not None and not can_traverse(owner, directory):
        home = _outside(directory) / "postgres"
    if owner is not None and not can_run(owner, installation / "bin" / "postgres"):
        installation = postgres.copy_installation(home.parent / "postgresql")
    return postgres.Postgres(installation, home / "data", free_port(), owner)


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


def _words_of(settings: Mapping[str, str]) -> list[str]:
    return [word for item in settings.items() for word in ("-c", "=".join(item))]


def _prepare_database(
    database: postgres.Postgres, passfile: Path, as_superuser: Sequence[str]
) -> None:
    if not passfile.exists():
        password = secrets.token_urlsafe(24)
        passfile.touch(mode=0o600)
        passfile.write_text(postgres.passfile_line(password))
    password = passfile.read_text().strip().rpartition(":")[2]
    postgres.initialise(database, password)
    postgres.write_settings(database)
    if as_superuser:
        postgres._single_user(database, database.data_dir, list(as_superuser))


def _silent(_arrived: int, _total: int) -> None:
    """Tests have no use for a progress bar."""
