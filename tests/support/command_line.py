"""An environment driven only through the command line, for tests of the judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bookpayctl.targets import environment as environments
from tests.support.report_schema import is_report, problems

NAME = "judged"
COMMAND_SECONDS_MAX = 240


@dataclass(frozen=True)
class CommandLine:
    """`bookpayctl` for one environment, as an operator types it.

    Attributes:
        home: its folder of environments, nobody else's.
        extra: variables its commands, and so its services, get beside the usual ones.
        seconds_max: how long one of its commands may take.
    """

    home: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    name: str = NAME
    seconds_max: int = COMMAND_SECONDS_MAX

    def variables(self) -> dict[str, str]:
        own = {"BOOKPAY_HOME": str(self.home), "BOOKPAY_NAME": self.name}
        return {**os.environ, **own, **self.extra}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bookpayctl", *arguments],
            env=self.variables(),
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=self.seconds_max,
            check=False,
        )

    def ask(self, *arguments: str) -> dict[str, Any]:
        """Run with -o json; stdout must be exactly one document that repeats the exit code.

        A report must also be what its schema says.
        """
        done = self.run(*arguments, "-o", "json")
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["exit"]["code"] == done.returncode, done.stderr
        if done.returncode:
            # Read only where a test fails: then it is what one wants to know first.
            said = [f"{document['exit']} {document.get('context', '')}"]
            said += [
                f"{item['id']} {item['verdict']}: {item['observed']} {item['reason']}"
                for item in document.get("items") or ()
                if item["verdict"] not in ("holds", "skipped")
            ]
            ended = "\n".join([f"{arguments} ended with", *said, done.stderr])
            sys.stderr.write(f"{ended}\n")
        if is_report(document):
            assert problems(document) == []
        return document

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bookpayctl", *arguments],
            env=self.variables(),
            cwd=self.home.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    @property
    def root(self) -> Path:
        return self.home / self.name

    @property
    def runs_dir(self) -> Path:
        return self.root / "runs"

    def execute(self, statement: str) -> None:
        document = json.loads((self.root / environments.ENVIRONMENT_FILE).read_text())
        with psycopg.connect(document["dsn"], autocommit=True) as conn:
            conn.execute("SET search_path = bookstore_platform")
            conn.execute(statement.encode())


@contextmanager
def environment_that_is_up(
    home: Path, extra: Mapping[str, str] | None = None
) -> Iterator[CommandLine]:
    """An environment that is brought up, and purged whatever happens."""
    command_line = CommandLine(home, extra or {})
    up = command_line.run("up")
    try:
        assert up.returncode == 0, up.stderr
        yield command_line
    finally:
        down = command_line.run("down", "--purge")
    assert down.returncode == 0, down.stderr


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {item["id"]: item["verdict"] for item in document["items"]}
