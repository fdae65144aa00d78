"""The distribution as it would be released: built from a copy, installed where no checkout is.

What it needs comes from the environment of the tests, whose own bookpayctl is not found there: of a
folder that one `.pth` file adds, Python reads no `.pth` file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.processes import ROOT

SECONDS_MAX: Final = 240.0

# What pyproject.toml names, and nothing that only this folder has.
_SOURCES: Final = ("runtime", "bookpayctl", "manifests", "runbooks")
_FILES: Final = ("pyproject.toml", "README.md", "LICENSE")

_BACKEND: Final = (
    "import setuptools.build_meta as b, sys; getattr(b, 'build_' + sys.argv[1])(sys.argv[2])"
)


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment with the wheel, and a folder to stand in that is empty."""

    python: Path
    script: Path
    folder: Path

    def run(
        self, *command: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command from the empty folder, with no variable of the tests' but these."""
        own = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder)}
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**own, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )


def copied_sources(folder: Path) -> Path:
    """What a release is built from; building leaves folders behind, and not in this checkout."""
    for name in _SOURCES:
        shutil.copytree(
            ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in _FILES:
        shutil.copy2(ROOT / name, folder / name)
    return folder


def built(kind: str, sources: Path, into: Path) -> Path:
    """A wheel or an sdist of a folder, by the backend that pyproject.toml names."""
    into.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-P", "-c", _BACKEND, kind, str(into)],
        cwd=sources,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (path,) = into.iterdir()
    return path


def installed(wheel: Path, folder: Path) -> Installed:
    """The wheel in an environment of its own, with what it needs from this one."""
    environment, empty = folder / "environment", folder / "empty"
    empty.mkdir()
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-P", "-m", "pip", "--python", str(python))
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(python, environment / "bin" / "bookpayctl", empty)
