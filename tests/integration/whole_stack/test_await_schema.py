"""What a pod runs before its service: it waits for the schema, changes nothing, and ends then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from runtime.sql import migrate, migrations, missing
from tests.support.processes import ROOT
from tests.support.waiting import eventually

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@contextmanager
def awaiting(dsn: str, log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    file = log.with_suffix(".dsn")
    file.write_text(f"{dsn}\n")
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-P", "-m", "runtime", "await-schema", *arguments],
            # As a pod gives it: a file, and no DSN in the environment.
            env={"PATH": os.environ["PATH"], "DB_DSN_FILE": str(file)},
            cwd=ROOT,
            stderr=stderr,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def test_it_waits_until_the_migrations_are_applied_and_applies_none(
    empty_dsn: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    with awaiting(empty_dsn, log) as process:
        eventually(lambda: "migrations are not applied" in log.read_text(), "it says what it wants")
        untouched = missing(empty_dsn)
        migrate(empty_dsn)
        code = process.wait(60)

    assert code == 0
    assert len(untouched) == len(migrations())


def test_a_newer_schema_than_this_codes_is_enough(empty_dsn: str) -> None:
    migrate(empty_dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO bookstore_platform.schema_migrations (number, name, sha256)"
            " VALUES (9999, '9999_of_the_next_version', 'x')"
        )

    assert missing(empty_dsn) == []


def test_one_migration_that_is_not_there_is_named(empty_dsn: str) -> None:
    migrate(empty_dsn)
    newest = migrations()[-1]
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(
            "DELETE FROM bookstore_platform.schema_migrations WHERE number = %s", [newest.number]
        )

    assert missing(empty_dsn) == [newest.name]


def test_a_database_that_is_away_is_waited_for_and_given_up_in_time(tmp_path: Path) -> None:
    log = tmp_path / "log"

    with awaiting(NOWHERE, log, "--timeout", "1.5") as process:
        code = process.wait(60)

    assert code == 1
    assert log.read_text().startswith("waiting: the database does not answer: ")
    assert "gave up: " in log.read_text()


def test_a_stop_ends_the_waiting(tmp_path: Path) -> None:
    log = tmp_path / "log"

    with awaiting(NOWHERE, log) as process:
        eventually(lambda: "waiting" in log.read_text(), "it waits")
        process.send_signal(signal.SIGTERM)
        code = process.wait(10)

    assert code == 143
