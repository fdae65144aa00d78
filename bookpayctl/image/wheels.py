"""The layer of the lock's wheels: fetched by pip for the image's platform, outside of the image.

pip checks every hash of the lock and builds nothing. What it unpacks is taken without what the
builder put into it (command files, byte code) and without what no image needs (`cuts`).
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bookpayctl.image import cuts
from bookpayctl.image.bytecode import Compiler, compiled
from bookpayctl.image.description import SITE
from bookpayctl.image.entries import LayerEntry, file_entry, in_order
from bookpayctl.image.errors import ImageError
from bookpayctl.image.folder import folder_entries
from bookpayctl.image.layer import Layer, write_layer
from bookpayctl.image.lock import Pin
from bookpayctl.image.materials import Material
from bookpayctl.image.platforms import wheel_platforms
from bookpayctl.image.programs import run_program
from bookpayctl.report.exit_code import ExitCode

# A first run fetches about 200 MB.
_PIP_SECONDS_MAX: Final = 1800.0


@dataclass(frozen=True, slots=True)
class WheelPlan:
    """Which wheels, and for what.

    Attributes:
        pins: what is installed, by name.
        python: like `3.12`.
        machine: like `x86_64`.
        glibc_minor: N of the image's glibc 2.N.
        compiler: what makes the byte code; None: there is none.
    """

    pins: Sequence[Pin]
    python: str
    machine: str
    glibc_minor: int
    compiler: Compiler | None

    def inputs(self) -> list[str]:
        """Everything that decides the layer."""
        lines = [pin.line() for pin in self.pins]
        compiler = self.compiler.version if self.compiler else "none"
        return [self.python, *self._platforms(), cuts.fingerprint(), compiler, *lines]

    def arguments(self, requirements: Path, target: Path, report: Path) -> list[str]:
        """pip's command line behind `pip`."""
        platforms = [word for tag in self._platforms() for word in ("--platform", tag)]
        return [
            *("install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-compile"),
            *("--root-user-action", "ignore", "--no-warn-script-location"),
            *("--require-hashes", "--no-deps", "--only-binary=:all:", "--ignore-installed"),
            *("--implementation", "cp", "--python-version", self.python, *platforms),
            *("--target", str(target), "--report", str(report), "--requirement", str(requirements)),
        ]

    def _platforms(self) -> list[str]:
        return wheel_platforms(self.machine, self.glibc_minor)


def write_wheels(plan: WheelPlan, path: Path) -> tuple[Layer, tuple[Material, ...]]:
    """Install the wheels into a folder beside `path`, and write the layer.

    Raises:
        ImageError: pip is not there, a wheel cannot be had or has none of its hashes.
    """
    target, report = path.parent / "site-packages", path.parent / "report.json"
    requirements = path.parent / "requirements.txt"
    requirements.write_text("".join(f"{pin.line()}\n" for pin in plan.pins))
    target.mkdir()
    _run_pip(plan.arguments(requirements, target, report))
    entries = installed_entries(target)
    entries += compiled(entries, plan.compiler, path.parent / "compiled")
    layer = write_layer(in_order(entries), path)
    return layer, materials_of(json.loads(report.read_text()))


def installed_entries(target: Path) -> list[LayerEntry]:
    """What pip unpacked, as it comes into the image."""
    kept = list(folder_entries(target, SITE, cuts.is_needed))
    paths = {entry.path.removeprefix(f"{SITE}/") for entry in kept}
    return [_with_true_record(entry, paths) for entry in kept]


def materials_of(report: dict[str, Any]) -> tuple[Material, ...]:
    """The wheels that pip reports, by name.

    Source:
        pip's documentation, Installation Report, version 1.
    """
    found = []
    for item in report["install"]:
        download = item["download_info"]
        found.append(
            Material(
                kind="pypi",
                group="",
                name=item["metadata"]["name"].lower().replace("_", "-").replace(".", "-"),
                version=item["metadata"]["version"],
                file=download["url"].rsplit("/", 1)[-1],
                sha256=_sha256(download["archive_info"]),
            )
        )
    return tuple(sorted(found, key=lambda one: one.name))


def _sha256(archive_info: dict[str, Any]) -> str:
    """Of a wheel that was held to its lock; pip before 23.1 tells one hash, as `sha256=...`.

    Source:
        Python packaging's Direct URL Data Structure: `hashes`, and `hash` that it replaced.
    """
    if "hashes" in archive_info:
        return str(archive_info["hashes"]["sha256"])
    return str(archive_info["hash"]).removeprefix("sha256=")


def _with_true_record(entry: LayerEntry, paths: set[str]) -> LayerEntry:
    """A distribution's RECORD without the files that were cut, in one order."""
    inside = entry.path.removeprefix(f"{SITE}/")
    if not inside.endswith(".dist-info/RECORD") or not isinstance(entry.source, Path):
        return entry
    rows = csv.reader(io.StringIO(entry.source.read_text(encoding="utf-8")))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(sorted(row for row in rows if row[0] in paths))
    return file_entry(entry.path, out.getvalue().encode())


def _run_pip(arguments: Sequence[str]) -> None:
    ran = run_program(
        [sys.executable, "-P", "-s", "-m", "pip", *arguments], seconds_max=_PIP_SECONDS_MAX
    )
    if ran.code == 0:
        return
    if any("No module named pip" in line for line in ran.last_words):
        raise ImageError(
            "this Python has no pip, which fetches the wheels",
            fix=f"{sys.executable} -m ensurepip",
            reason="no_pip",
        )
    raise ImageError(
        "pip could not install the lock's wheels:\n" + "\n".join(ran.last_words),
        code=ExitCode.UNKNOWN,
        reason="wheels_not_fetched",
    )
