"""docker, podman or buildah, where there is one: builds the Containerfile, or brings the base.

The command lines of the three differ in a few words; those are here and nowhere else.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.image.description import ImageOrigin
from bookpayctl.image.errors import ImageError
from bookpayctl.image.platforms import ImagePlatform
from bookpayctl.image.programs import Ran, run_program
from bookpayctl.report.exit_code import ExitCode

CONTAINERFILE: Final = "Containerfile"

_KNOWN: Final = ("docker", "podman", "buildah")
_BUILD_SECONDS_MAX: Final = 3600.0
_PULL_SECONDS_MAX: Final = 900.0
_DEFAULT_BASE: Final = re.compile(r"^ARG BASE=(\S+@sha256:[0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Engine:
    """One of the three; `name` is the command's."""

    name: str

    def build_command(
        self, folder: Path, tag: str, platform: ImagePlatform | None, arguments: dict[str, str]
    ) -> list[str]:
        """How it builds the Containerfile in `folder`."""
        given = [word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))]
        where = ["--platform", str(platform)] if platform else []
        file = ["--file", str(folder / CONTAINERFILE)]
        return [self.name, "build", *where, *file, "--tag", tag, *given, str(folder)]

    def pull_command(self, image: str, platform: ImagePlatform) -> list[str]:
        return [self.name, "pull", "--platform", str(platform), image]

    def save_command(self, image: str, archive: Path) -> list[str]:
        """How it writes an image as a docker-archive."""
        if self.name == "buildah":
            return ["buildah", "push", image, f"docker-archive:{archive}"]
        form = ["--format", "docker-archive"] if self.name == "podman" else []
        return [self.name, "save", *form, "--output", str(archive), image]

    def id_command(self, tag: str) -> list[str]:
        """How it tells an image's digest."""
        if self.name == "buildah":
            return ["buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}", tag]
        return [self.name, "image", "inspect", "--format", "{{.Id}}", tag]


def engine_here() -> Engine | None:
    """The first of the three that is on PATH."""
    return next((Engine(name) for name in _KNOWN if shutil.which(name)), None)


def pinned_base(folder: Path) -> str:
    """The base that the Containerfile names, by digest.

    Raises:
        ImageError: there is no Containerfile, or it pins nothing.
    """
    try:
        text = (folder / CONTAINERFILE).read_text(encoding="utf-8")
    except OSError as error:
        raise ImageError(
            f"there is no {CONTAINERFILE} in {folder}: an engine builds from a checkout",
            fix="bookpayctl image build --archive F.tar --base BASE.tar",
        ) from error
    match = _DEFAULT_BASE.search(text)
    if match is None:
        raise ImageError(f"{folder / CONTAINERFILE} names no base by its digest")
    return match[1]


def build_with(
    engine: Engine,
    folder: Path,
    tag: str,
    platform: ImagePlatform | None,
    origin: ImageOrigin,
) -> str:
    """Build the Containerfile; what the engine says goes to stderr.

    Returns:
        The image's id, as `sha256:...`.

    Raises:
        ImageError: the engine did not build it, e.g. because its daemon is not there.
    """
    pinned_base(folder)
    arguments = {"VERSION": origin.version, "REVISION": origin.revision}
    command = engine.build_command(folder, tag, platform, arguments)
    _done(
        engine, "build the image", run_program(command, seconds_max=_BUILD_SECONDS_MAX, aloud=True)
    )
    told = run_program(engine.id_command(tag), seconds_max=60)
    _done(engine, "tell the image's id", told)
    digest = told.out.strip()
    return digest if digest.startswith("sha256:") else f"sha256:{digest}"


def base_by(engine: Engine, image: str, platform: ImagePlatform, cache: Path) -> Path:
    """The archive of a base that is named by its digest: pulled once and kept.

    Raises:
        ImageError: the engine could not pull or save it.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{image.rsplit('@', 1)[-1]}-{platform.architecture}")
    archive = cache / f"base-{name}.tar"
    if archive.exists():
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    pulled = run_program(
        engine.pull_command(image, platform), seconds_max=_PULL_SECONDS_MAX, aloud=True
    )
    _done(engine, f"pull {image}", pulled)
    unfinished = archive.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        saved = run_program(engine.save_command(image, unfinished), seconds_max=_PULL_SECONDS_MAX)
        _done(engine, f"save {image}", saved)
        unfinished.replace(archive)
    finally:
        unfinished.unlink(missing_ok=True)
    return archive


def _done(engine: Engine, what: str, ran: Ran) -> None:
    if ran.code == 0:
        return
    said = "".join(f"\n{line}" for line in ran.last_words)
    raise ImageError(
        f"{engine.name} could not {what} (exit {ran.code}){said}",
        code=ExitCode.UNKNOWN,
        reason="engine_failed",
        fix="without an engine: bookpayctl image build --archive F.tar --base BASE.tar",
    )
