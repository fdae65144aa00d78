"""What the shell exports for other Python programs, and how little of it this tool takes.

Python itself has read the locale, PYTHONHOME, PYTHONOPTIMIZE and the like before a line of ours
runs; what can still be taken back is taken back here, before anything else is imported.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Final

PACKAGES: Final = Path(__file__).resolve().parents[2]
"""The folder that holds this very `bookpayctl`, and the `runtime` that belongs to it."""


def speak_utf8() -> None:
    """Begin this command anew in Python's UTF-8 mode, when the shell's locale is another.

    Folders' names are bytes. Every program that is told one reads UTF-8, and in a Latin locale
    this one would pass on other letters than it found.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - this very command


def take_back(environ: MutableMapping[str, str] = os.environ) -> None:
    """Forget modules, warnings and drivers that the shell chose for somebody else."""
    sys.path[:] = module_path(sys.path, environ)
    if environ.pop("PYTHONWARNINGS", None) is not None:
        warnings.resetwarnings()
        warnings.simplefilter("ignore", DeprecationWarning)
    # psycopg would look for another build of itself, which is not installed.
    environ.pop("PSYCOPG_IMPL", None)


def module_path(present: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Where modules are looked for, without what PYTHONPATH and the working folder add.

    A package there may be called `runtime`, or as a library of ours. What Python needs itself
    stays, also where PYTHONPATH repeats it, and so does the folder that this tool came from.
    """
    named = environ.get("PYTHONPATH", "").split(os.pathsep)
    wanted = environ.get("BOOKPAY_PYTHONPATH", "").split(os.pathsep)
    foreign = {entry for entry in (*named, *_working_folder()) if not _is_pythons_own(entry)}
    return [entry for entry in present if entry not in foreign or entry in wanted]


def _working_folder() -> list[str]:
    """What `python -m` puts first; nothing when the folder was deleted."""
    try:
        return [os.getcwd()]
    except FileNotFoundError:
        return []


def _is_pythons_own(entry: str) -> bool:
    try:
        path = Path(entry).resolve()
    except FileNotFoundError:
        # Relative, and the working folder was deleted: no module is there.
        return False
    homes = (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    return path == PACKAGES or any(path.is_relative_to(Path(home).resolve()) for home in homes)
