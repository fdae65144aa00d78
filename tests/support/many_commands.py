"""Many command lines of `bookpayctl` at the price of one start: each in a fork of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

SECONDS_MAX: Final = 240

# Runs in a process of its own, which has no threads that a fork could lose.
_DRIVER: Final = """
import importlib, json, os, pkgutil, sys
import bookpayctl
from bookpayctl.cli import ending
# What each command would import by itself, once for all of them.
for module in pkgutil.walk_packages(bookpayctl.__path__, "bookpayctl."):
    if not module.name.endswith("__main__") and "stripe_twin" not in module.name:
        importlib.import_module(module.name)
from bookpayctl.cli.app import build_command
build_command()
def one(words):
    read, write = os.pipe()
    read_error, write_error = os.pipe()
    pid = os.fork()
    if pid == 0:
        for old, new in ((write, 1), (write_error, 2)):
            os.dup2(old, new)
        for number in (read, write, read_error, write_error):
            os.close(number)
        code = 99
        try:
            code = ending.run(words)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    os.close(write_error)
    with os.fdopen(read) as out, os.fdopen(read_error) as err:
        printed, said = out.read(), err.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), printed, said
answers = [one(words) for words in json.load(sys.stdin)]
json.dump(answers, sys.stdout)
"""


@dataclass(frozen=True)
class Ran:
    """One command line and what came of it."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str


def run_all(
    lines: Sequence[Sequence[str]], directory: Path, variables: Mapping[str, str] | None = None
) -> list[Ran]:
    """Run them one after another in `directory`, with nothing of the tests' own environment."""
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER],
        input=json.dumps([list(line) for line in lines]),
        env={**own, "HOME": str(directory), **(variables or {})},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    return [Ran(tuple(line), *answer) for line, answer in zip(lines, answers, strict=True)]


def wrong_with(ran: Ran, output: str) -> str | None:
    """What is not as it must be: one document, its code the process's, and a word on stderr."""
    try:
        code = _code_in(ran.out, output)
    except (ValueError, KeyError, TypeError, ElementTree.ParseError) as error:
        return f"{' '.join(ran.words)}: exit {ran.code}, no document: {error!r}: {ran.out[:200]!r}"
    if code != ran.code:
        return f"{' '.join(ran.words)}: the document says {code}, the process {ran.code}"
    if "Traceback" in ran.err:
        return f"{' '.join(ran.words)}: a traceback: {ran.err[-500:]}"
    if '"Failure"' in ran.out and not ran.err.strip():
        return f"{' '.join(ran.words)}: exit {ran.code}, and nothing on stderr"
    return None


def _code_in(text: str, output: str) -> int:
    if output == "json":
        document: dict[str, Any] = json.loads(text)
        return int(document["exit"]["code"])
    suite = ElementTree.fromstring(text)  # noqa: S314 - ours
    named = suite.find("properties/property[@name='exit_code']")
    if named is None:
        raise KeyError("exit_code")
    return int(named.attrib["value"])
