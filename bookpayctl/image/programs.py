"""The programs of others that an image is made with: pip, git, an engine.

They get what the shell exports, because where wheels and images come from is told there (mirrors,
proxies, the engine's address), but for what was meant for Python and would change what pip is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bookpayctl.image.errors import ImageError
from bookpayctl.report.exit_code import ExitCode


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that has ended.

    Attributes:
        out: what it wrote to stdout.
        last_words: the last lines of stderr that are not empty.
    """

    code: int
    out: str
    last_words: tuple[str, ...]


def run_program(
    command: Sequence[str],
    *,
    seconds_max: float,
    directory: Path | None = None,
    aloud: bool = False,
) -> Ran:
    """Run a program to its end, without a terminal.

    Args:
        aloud: whether all that it writes goes to stderr at once, and none of it is kept.

    Raises:
        ImageError: it is not there, or does not end in time.
    """
    exported = {name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=exported,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if aloud else subprocess.PIPE,
            stderr=None if aloud else subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds_max,
        )
    except FileNotFoundError as error:
        raise ImageError(f"there is no program {command[0]}", reason="no_program") from error
    except subprocess.TimeoutExpired as error:
        raise ImageError(
            f"{' '.join(command[:6])} did not end within {seconds_max:g} s",
            code=ExitCode.DEADLINE,
            reason="program_too_slow",
        ) from error
    said = [line for line in (done.stderr or "").splitlines() if line.strip()]
    return Ran(done.returncode, done.stdout or "", tuple(said[-8:]))
