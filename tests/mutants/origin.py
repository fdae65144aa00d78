"""Whose code a trial runs: every Python process of it, children too, must run the copy's.

Two looks. A process that has the copy on its path notes at its start where it would import both
programs from. And the processes below pytest are watched from outside, because one that does not
have the copy on its path would note nothing.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

PROGRAMS: Final = ("runtime", "bookpayctl")

# Python imports this at the start of every process whose path has the copy on it.
ORIGIN_NOTE: Final = """
import importlib.util
import os
import pathlib
import sys

_found = [importlib.util.find_spec(name) for name in ("runtime", "bookpayctl")]
_lines = [repr(sys.orig_argv), *(spec.origin if spec else "nowhere" for spec in _found)]
_notes = pathlib.Path(__file__).with_name(".origins")
_notes.mkdir(exist_ok=True)
# Whole or not at all: a test may kill the process at any moment.
_draft = _notes / f".{os.getpid()}"
_draft.write_text("\\n".join(_lines))
_draft.replace(_notes / str(os.getpid()))
"""


class ForeignCodeError(Exception):
    """A process of the trial would run other code than the copy's."""


def check_origins(copy: Path) -> int:
    """How many processes noted where their code comes from.

    Raises:
        ForeignCodeError: one names another place than the copy, or none noted anything.
    """
    notes = list((copy / ".origins").glob("[0-9]*"))
    if not notes:
        raise ForeignCodeError("no process said where its code comes from")
    for note in notes:
        command, *origins = note.read_text().splitlines()
        for origin in origins:
            if not Path(origin).is_relative_to(copy):
                raise ForeignCodeError(f"{command!r} would import {origin}")
    return len(notes)


def strangers(pid: int, copy: Path) -> list[str]:
    """Commands of the processes below `pid` that run one of the programs, and not the copy's."""
    found = []
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    for process in below:
        try:
            command, variables = process.cmdline(), process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            # It has just ended, or belongs to the database's user and is no program of ours.
            continue
        if is_stranger(command, variables, copy):
            found.append(" ".join(command))
    return found


def is_stranger(command: Sequence[str], variables: Mapping[str, str], copy: Path) -> bool:
    """Whether this is one of our programs, started without the copy on its path."""
    modules = [word for flag, word in itertools.pairwise(command) if flag == "-m"]
    ours = any(module.split(".")[0] in PROGRAMS for module in modules)
    return ours and str(copy) not in variables.get("PYTHONPATH", "").split(os.pathsep)
