"""A stack of its own to be wrong in: a copy of the runtime, brought up apart, gone at the end.

It shares nothing with any other environment but this installation: its folder is a temporary one,
its ports are free ones, and no setting of the caller's reaches it. Whatever is asked of it is the
command that an operator types, so what is found to work is what he uses.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from bookpayctl.clients import kafka
from bookpayctl.clients.database import writing
from bookpayctl.controls.control import WrongStack
from bookpayctl.controls.edit import Edit, apply
from bookpayctl.report.record import RecordError, report_of
from bookpayctl.report.result import Report
from bookpayctl.runs.interrupts import shielded
from bookpayctl.targets.children import MODULES_VARIABLE
from bookpayctl.targets.environment import load_from

NAME: Final = "selftest"
COMMAND_SECONDS_MAX: Final = 900.0
AGED_SECONDS: Final = 2 * 365 * 86_400.0
_KEPT: Final = ("BOOKPAY_CACHE", "BOOKPAY_POSTGRES_USER")
"""Of the caller's variables that speak of the machine, not of a stack."""


class ThrowawayError(RuntimeError):
    """The stack did not come up, or a command did not say what was asked of it."""


@dataclass(frozen=True, slots=True)
class Throwaway:
    """One such stack.

    Attributes:
        home: the folder of its environment, which is the only one there.
        modules: the folder with the runtime that it runs; None for the installed one.
    """

    home: Path
    modules: Path | None

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this tool on it, to its end."""
        return subprocess.run(
            [sys.executable, "-P", "-s", "-m", "bookpayctl", *arguments],
            cwd=self.home,
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )

    def succeed(self, *arguments: str) -> None:
        """Run a command that has to succeed.

        Raises:
            ThrowawayError: it did not; the message has its last line.
        """
        done = self.run(*arguments)
        if done.returncode != 0:
            command = " ".join(arguments)
            raise ThrowawayError(f"`{command}` ended with {done.returncode}: {_last_words(done)}")

    def report(self, *command: str) -> Report:
        """The report that a command came to.

        Raises:
            ThrowawayError: it gave none.
        """
        done = self.run(*command, "-o", "json")
        try:
            return report_of(json.loads(done.stdout))
        except (json.JSONDecodeError, RecordError) as error:
            raise ThrowawayError(
                f"`{' '.join(command)}` ended with {done.returncode} and no report:"
                f" {_last_words(done)}"
            ) from error

    def answers(self, command: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What a command that reports answered, by the id of each item.

        Raises:
            ThrowawayError: it gave no report.
        """
        return self.answers_and_code(command)[0]

    def answers_and_code(self, command: Sequence[str]) -> tuple[dict[str, dict[str, Any]], int]:
        """The same, and with which exit code it ended.

        Raises:
            ThrowawayError: as above.
        """
        done = self.run(*command, "-o", "json")
        try:
            items = json.loads(done.stdout)["items"]
        except (json.JSONDecodeError, KeyError) as error:
            raise ThrowawayError(
                f"`{' '.join(command)}` ended with {done.returncode} and no report:"
                f" {_last_words(done)}"
            ) from error
        return {item["id"]: item for item in items}, done.returncode

    def arrange(self, control: WrongStack) -> None:
        """Run its commands, then its statements, then set its topics and date its files back.

        Raises:
            ThrowawayError: a command failed.
            DatabaseError, KafkaException: the server refused.
        """
        for command in control.before:
            self.succeed(*command)
        environment = load_from(self.home / NAME, NAME)
        if control.sql:
            with writing(environment.dsn) as conn:
                for statement in control.sql:
                    # Written in the catalogue, not by anybody else.
                    conn.execute(statement.encode())
        servers = environment.kafka
        for topic, settings in control.topic_settings.items():
            kafka.change_topic(servers, topic, settings)
        long_ago = time.time() - AGED_SECONDS
        for name in control.aged_files:
            os.utime(environment.root / name, (long_ago, long_ago))

    def _variables(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in _KEPT or not name.startswith(("BOOKPAY_", "STRIPE_"))
        }
        own = {"BOOKPAY_HOME": str(self.home), "BOOKPAY_NAME": NAME}
        modules = {MODULES_VARIABLE: str(self.modules)} if self.modules else {}
        return {**kept, **own, **modules}


@contextmanager
def throwaway(
    edits: Sequence[Edit], observe: Callable[[str], None], *, modules: Path | None = None
) -> Iterator[Throwaway]:
    """A stack that is up while the block lasts; without edits it runs the installed runtime.

    Args:
        modules: the folder of another runtime, for a stack without edits.

    Raises:
        NotApplicableError: the runtime is another one than the edits were written for.
        ThrowawayError: it did not come up.
    """
    folder = Path(tempfile.mkdtemp(prefix="bookpay-selftest-"))
    try:
        modules = _wrong_copy(folder / "modules", edits) if edits else modules
        home = folder / "home"
        home.mkdir()
        stack = Throwaway(home, modules)
        observe(f"if this is killed: BOOKPAY_HOME={home} bookpayctl down --name {NAME} --purge")
        try:
            stack.succeed("up")
            yield stack
        finally:
            with shielded():
                stack.run("down", "--purge")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    said = (done.stderr or done.stdout).strip().splitlines()
    return said[-1] if said else "it said nothing"


def _wrong_copy(folder: Path, edits: Sequence[Edit]) -> Path:
    with as_file(files("runtime")) as runtime:
        shutil.copytree(runtime, folder / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    apply(folder, edits)
    return folder
