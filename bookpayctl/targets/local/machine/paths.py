"""Paths go into other programs' syntax: supervisor's configuration, command lines, URIs, logs.

Each syntax has one escaper, beside what writes it. What no escaper can carry is refused here,
before anything is made, with the path and the reason.
"""

from __future__ import annotations

import contextlib
import os
import unicodedata
from pathlib import Path
from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError

# SQLite, which keeps the twin, opens paths of 512 bytes at most (MAX_PATHNAME in its unix VFS), and
# PostgreSQL 1,024; both append to the environment's folder.
PATH_BYTES_MAX: Final = 450


class PathRefusedError(TargetError):
    """A path that another program would read as something else."""

    code = ExitCode.USAGE
    reason = "path_refused"


def refuse_unusable(path: Path, what: str, fix: str) -> None:
    """Raise when a program that is given `path` could not find it again.

    Args:
        what: what lies there, for the message: `the environment's folder`.
        fix: how to choose another.

    Raises:
        PathRefusedError: the message has the path, in Python's notation, and what is wrong.
    """
    problem = _problem(path)
    if problem:
        error = PathRefusedError(f"{what}, {str(path)!r}, {problem}; nothing was made")
        error.fix = fix
        raise error


def refuse_in_class_path(folder: Path, what: str, fix: str) -> None:
    """Raise when a class path cannot hold `folder`: the JVM has no escape for its separator.

    Raises:
        PathRefusedError: as above.
    """
    if os.pathsep in str(folder):
        error = PathRefusedError(
            f"{what}, {str(folder)!r}, holds {os.pathsep!r}, which separates the entries of a"
            " class path and cannot be escaped in one; nothing was made"
        )
        error.fix = fix
        raise error


def refuse_unwritable(folder: Path, what: str, fix: str) -> None:
    """Raise when `folder` is not there and cannot be made, or is nothing to write in.

    What had to be made to know it is removed again.

    Raises:
        PathRefusedError: as above.
    """
    made: list[Path] = []
    try:
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        problem = "" if os.access(folder, os.W_OK | os.X_OK) else "it may only be read"
    except OSError as failure:
        problem = str(failure.strerror)
    for path in made:
        with contextlib.suppress(OSError):
            path.rmdir()
    if problem:
        text = f"{what}, {str(folder)!r}, cannot be written: {problem}; nothing was made"
        error = PathRefusedError(text)
        error.fix = fix
        raise error


def _problem(path: Path) -> str:
    text = str(path)
    for character in text:
        if unicodedata.category(character) == "Cc":
            return f"holds the control character {character!r}, which ends a line or a word"
        if unicodedata.category(character) == "Cs":
            byte = os.fsencode(character)
            return f"is not UTF-8: the byte {byte!r} stands for no character"
    size = len(os.fsencode(path))
    if size > PATH_BYTES_MAX:
        return f"is {size} bytes long; programs in it can take {PATH_BYTES_MAX}"
    return ""
