"""Byte code for the Python files of a layer, so that no container compiles them at every start.

On a read-only root nothing keeps what Python compiles: each of a stack's twenty processes would
spend seconds on it. It is compiled here, by a Python of the image's minor version, into files that
depend on nothing else: names as they are in the image, no times, one process, one order. (Since
3.11 sets among the constants are written in one order, too, whatever the hash seed.)

Source:
    PEP 552, Deterministic pycs: unchecked hash-based ones are believed without a look at the
    source, which nobody can change there. One of another version is passed over.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.image.entries import EntryKind, LayerEntry
from bookpayctl.image.errors import ImageError
from bookpayctl.image.folder import folder_entries
from bookpayctl.image.programs import run_program
from bookpayctl.report.exit_code import ExitCode

_SECONDS_MAX: Final = 900.0


@dataclass(frozen=True, slots=True)
class Compiler:
    """A Python of this machine.

    Attributes:
        version: the whole one, like `3.12.4`, which decides what it writes.
    """

    program: str
    version: str


def compiler_for(python: str) -> Compiler | None:
    """A Python of this minor version (`3.12`): the one that runs, or one on PATH; None: neither."""
    ours = sys.version_info
    if python == f"{ours.major}.{ours.minor}":
        return Compiler(sys.executable, f"{python}.{ours.micro}")
    program = shutil.which(f"python{python}")
    if program is None:
        return None
    ran = run_program(
        [program, "-I", "-c", "import platform; print(platform.python_version())"], seconds_max=60
    )
    return Compiler(program, ran.out.strip()) if ran.code == 0 else None


def compiled(
    entries: Sequence[LayerEntry], compiler: Compiler | None, staging: Path
) -> list[LayerEntry]:
    """The byte code of those entries that are Python, to be added to them; none without a compiler.

    A file that is no Python of this version, as templates are, has none.

    Args:
        staging: an empty folder, which holds the byte code until the layer is written.

    Raises:
        ImageError: the compiler did not do its work.
    """
    sources = [entry for entry in entries if _is_python(entry)]
    if compiler is None or not sources:
        return []
    for entry in sources:
        place = staging / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(entry.source, bytes):
            place.write_bytes(entry.source)
        else:
            shutil.copyfile(entry.source, place)
    options = ["-q", "-f", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    names = ["-s", str(staging), "-p", "/"]
    command = [compiler.program, "-P", "-s", "-S", "-m", "compileall", *options, *names]
    ran = run_program([*command, str(staging)], seconds_max=_SECONDS_MAX)
    found = list(folder_entries(staging, "", lambda path: path.endswith(".pyc")))
    if not found:
        raise ImageError(
            f"{compiler.program} compiled nothing: {' '.join(ran.last_words)}",
            code=ExitCode.UNKNOWN,
            reason="not_compiled",
        )
    return found


def _is_python(entry: LayerEntry) -> bool:
    return entry.kind is EntryKind.FILE and entry.path.endswith(".py")
