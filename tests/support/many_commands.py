"""Many command lines of `bookpayctl` at the price of one start: each in a fork of one process."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

# Runs in a process of its own, which has no threads that a fork could lose. It reads one request a
# line, `[folder, variables, at once, [command line, ...]]`, and answers each with a line.
_DRIVER: Final = """
import contextlib, gc, importlib, json, os, pkgutil, sys, tempfile
import bookpayctl
from bookpayctl.cli import ending
# What each command would import by itself, and what the parser does when it first meets an option,
# once for all of them.
for module in pkgutil.walk_packages(bookpayctl.__path__, "bookpayctl."):
    if not module.name.endswith("__main__") and "stripe_twin" not in module.name:
        importlib.import_module(module.name)
from bookpayctl.cli.app import build_command
with contextlib.suppress(Exception), build_command().make_context("x", ["config", "show"]):
    pass
gc.collect()
gc.freeze()
answers_to = os.dup(1)
def begin(folder, variables, words):
    files = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
    pid = os.fork()
    if pid:
        return pid, files
    code = 99
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for file, number in zip(files, (1, 2)):
            os.dup2(file.fileno(), number)
        code = ending.run(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
def end(pid, files):
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    texts = []
    for file in files:
        file.seek(0)
        texts.append(file.read())
        file.close()
    return code, *texts
for request in sys.stdin:
    folder, variables, at_once, lines = json.loads(request)
    answers, running = [], []
    for words in lines:
        if len(running) == at_once:
            answers.append(end(*running.pop(0)))
        running.append(begin(folder, variables, words))
    answers += [end(*one) for one in running]
    os.write(answers_to, json.dumps(answers).encode() + b"\\n")
"""


@dataclass(frozen=True)
class Ran:
    """One command line and what came of it."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str


def run_all(
    lines: Sequence[Sequence[str]],
    directory: Path,
    variables: Mapping[str, str] | None = None,
    *,
    python: tuple[str, ...] = (),
    at_once: int = 4,
) -> list[Ran]:
    """Run them in `directory`, some at a time, with nothing of the tests' own environment.

    Args:
        python: options of the interpreter, such as `-OO`.
        at_once: how many; one where a command does what the next one looks at.
    """
    own = {**_own_variables(), "HOME": str(directory), **(variables or {})}
    driver = _driver(python)
    assert driver.stdin is not None
    assert driver.stdout is not None
    request = [str(directory), own, at_once, [list(line) for line in lines]]
    driver.stdin.write(json.dumps(request) + "\n")
    driver.stdin.flush()
    answered = driver.stdout.readline()
    assert answered, f"the driver ended with {driver.wait()}"
    answers = json.loads(answered)
    return [Ran(tuple(line), *answer) for line, answer in zip(lines, answers, strict=True)]


def _own_variables() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(filter(None, sys.path))}


@cache
def _driver(python: tuple[str, ...]) -> subprocess.Popen[str]:
    """The process that forks; it ends with this one."""
    driver = subprocess.Popen(
        [sys.executable, *python, "-c", _DRIVER],
        env=_own_variables(),
        cwd=tempfile.gettempdir(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(driver.communicate)
    return driver


def wrong_with_all(ran: Sequence[Ran]) -> list[str]:
    """What is wrong with each of them, whose last word is the format that was asked for."""
    problems = [_wrong_with(one, one.words[-1]) for one in ran]
    return [problem for problem in problems if problem is not None]


def _wrong_with(ran: Ran, output: str) -> str | None:
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
