"""A command as a child: in a process group of its own, ended at its deadline and with us.

The child has no terminal to ask: whatever wants a yes has been asked before it is started.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from bookpayctl.runbook.matching import CommandAnswer
from bookpayctl.runs.interrupts import shielded
from bookpayctl.targets.children import python_module

PROGRAM: Final = "bookpayctl"

GRACE_SECONDS: Final = 30.0
"""What a child may take to put back what it had changed, once it is told to end."""


class CannotRunError(RuntimeError):
    """The command's program is not there, or cannot be executed; nothing was done."""


class OverdueError(RuntimeError):
    """The command did not end by its deadline and was ended; what it had done is not known."""


def execute(
    words: Sequence[str], variables: Mapping[str, str], *, deadline_seconds: float
) -> CommandAnswer:
    """Run a command to its end.

    Raises:
        CannotRunError, OverdueError: see above.
        Stopped: a signal came; the child and all that it started in its group are ended.
    """
    try:
        child = subprocess.Popen(
            _program(words, variables),
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # A Ctrl-C of the terminal reaches us alone, and we end the whole group.
            start_new_session=True,
        )
    except OSError as error:
        raise CannotRunError(f"{words[0]}: {error.strerror or error}") from error
    try:
        out, err = child.communicate(timeout=deadline_seconds)
    except subprocess.TimeoutExpired as overdue:
        end_group(child)
        raise OverdueError(f"did not end within {deadline_seconds:g} s and was ended") from overdue
    # A signal of ours above all, which is no Exception.
    except BaseException:
        end_group(child)
        raise
    status = child.returncode
    return CommandAnswer(status if status >= 0 else 128 - status, out, err)


def _program(words: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """The words with the program's whole path; `bookpayctl` is the one that runs now."""
    if words[0] == PROGRAM:
        return [*python_module(PROGRAM), *words[1:]]
    found = shutil.which(words[0], path=variables.get("PATH"))
    if found is None:
        raise CannotRunError(f"{words[0]} is not on PATH")
    return [found, *words[1:]]


def end_group(child: subprocess.Popen[str], *, grace_seconds: float = GRACE_SECONDS) -> None:
    """End the child's whole group: it is asked, and after the grace it is not asked any more."""
    with shielded():
        _signal(child, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=grace_seconds)
        # Also what the child itself had left behind in its group.
        _signal(child, signal.SIGKILL)
        child.wait()


def _signal(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)
