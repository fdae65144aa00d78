"""How every child of this tool begins: with variables made here from nothing.

What the shell exports (PG*, JAVA_TOOL_OPTIONS, KAFKA_*, PYTHON*, LD_PRELOAD, proxies, locale, time
zone, TMPDIR) was meant for something else and reaches no child: neither supervisor and what it
starts nor initdb, java and the programs that are run once. Whatever a child needs is passed to
`variables` by who starts it.

The one way in is BOOKPAY_PYTHONPATH, for who tries a changed or sabotaged runtime.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MODULES_VARIABLE: Final = "BOOKPAY_PYTHONPATH"

_ALWAYS: Final = {
    # Where every Unix has `env` and `nice`; all other programs are named by their whole path.
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    # UTF-8, so that paths with other letters than ASCII stay what they are, for the JVM too.
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}


def variables(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """All the variables of a child: what each gets, and `own`."""
    return {**_ALWAYS, **(own or {})}


def given_modules() -> Path | None:
    """Where who runs this tool has a changed runtime; None where it is the installed one."""
    given = os.environ.get(MODULES_VARIABLE)
    return Path(given) if given else None


def python_variables(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """All the variables of a child that is, or starts, Python programs."""
    modules = os.environ.get(MODULES_VARIABLE)
    path = {"PYTHONPATH": modules} if modules else {}
    return variables({"PYTHONUNBUFFERED": "1", **path, **(own or {})})


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs a module of this very installation.

    -P: not one of the same name in the folder it is started in; -s: nor in the user's own
    packages, which no virtual environment pins.
    """
    return (sys.executable, "-P", "-s", "-m", module, *arguments)
