"""An image written as an archive: the base, the wheels, the jars, ours.

Each of the three layers is one step; the first two are kept and found again as long as what decides
them is the same, so that a build after a change of code takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bookpayctl.image.archive import replacing, write_archive
from bookpayctl.image.bytecode import Compiler, compiled, compiler_for
from bookpayctl.image.cuts import NOT_INSTALLED
from bookpayctl.image.description import ImageOrigin, described, image_id
from bookpayctl.image.entries import file_entry, in_order
from bookpayctl.image.errors import ImageError
from bookpayctl.image.foundation import Base, library_files, read_base
from bookpayctl.image.jars import KafkaJars, write_jars
from bookpayctl.image.layer import Layer, digest_of, write_layer
from bookpayctl.image.lock import LockError, marker_values, pins
from bookpayctl.image.materials import Material
from bookpayctl.image.ours import CodeSource, write_ours
from bookpayctl.image.platforms import ImagePlatform, platform_named
from bookpayctl.image.sbom import written_sbom
from bookpayctl.image.store import LayerStore, Stored, opened_store
from bookpayctl.image.wheels import WheelPlan, write_wheels
from bookpayctl.report.exit_code import ExitCode

Tell = Callable[[str, str], None]
"""Called with the part that is worked on and what is done with it."""


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What is to be built.

    Attributes:
        platform: None: the base's.
        lock: the file that pins the wheels.
        jars: Kafka's jars; None: an image without them, in which no Kafka can be started.
        cache: the folder for layers that are kept.
    """

    archive: Path
    base: Path
    tag: str
    platform: ImagePlatform | None
    source: CodeSource
    lock: Path
    origin: ImageOrigin
    jars: KafkaJars | None
    cache: Path


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer of the image; `what` is `base`, `wheels`, `jars` or `bookpay`."""

    what: str
    diff_id: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Built:
    """The image that was written.

    Attributes:
        image_id: as engines call it.
        archive_digest: of the file; two builds of the same inputs have the same.
    """

    tag: str
    image_id: str
    platform: ImagePlatform
    python: str
    archive: Path
    archive_digest: str
    size_bytes: int
    sbom: Path
    layers: tuple[BuiltLayer, ...]


def build(request: ImageRequest, tell: Tell) -> Built:
    """Write the archive and the list of materials beside it.

    Raises:
        ImageError: what is needed is not there or does not fit; nothing was written.
    """
    base = read_base(request.base)
    platform = _platform(base, request.platform)
    inside = base.inventory
    tell("base", f"{base.tag or base.path.name}, {platform}, Python {inside.python}")
    try:
        with opened_store(request.cache) as store:
            compiler = _compiler(base, tell)
            below = [
                *_library(store, base, compiler),
                _wheels(store, request, base, platform, compiler, tell),
                *_jars(store, request, tell),
            ]
            return _assemble(store, request, base, platform, compiler, below, tell)
    except OSError as error:
        raise ImageError(
            f"the image could not be built: {error}; no archive was written",
            code=ExitCode.UNKNOWN,
            reason="not_built",
        ) from error


def _platform(base: Base, wanted: ImagePlatform | None) -> ImagePlatform:
    theirs = platform_named(f"{base.config.get('os')}/{base.config.get('architecture')}")
    if wanted is not None and wanted != theirs:
        raise ImageError(
            f"the base {base.path} is for {theirs}, and the image shall be for {wanted}",
            fix=f"docker pull --platform {wanted} IMAGE, and docker save it",
            reason="other_architecture",
        )
    return theirs


def _compiler(base: Base, tell: Tell) -> Compiler | None:
    python = base.inventory.python
    compiler = compiler_for(python)
    if compiler is None:
        tell("python", f"no Python {python} here to compile with: containers will start slower")
    return compiler


def _library(store: LayerStore, base: Base, compiler: Compiler | None) -> list[tuple[str, Stored]]:
    """Byte code of the base's standard library, which images of Python come without."""
    inside = base.inventory
    has_it = any(path.startswith(f"{inside.library}/__pycache__/") for path in inside.files)
    if compiler is None or has_it:
        return []

    def write(path: Path) -> tuple[Layer, tuple[Material, ...]]:
        sources = [file_entry(at, text) for at, text in library_files(base).items()]
        entries = compiled(sources, compiler, path.parent / "compiled")
        return write_layer(in_order(entries, standing=inside.folders), path), ()

    return [("python", store.layer("python", [compiler.version, *base.diff_ids], write))]


def _wheels(
    store: LayerStore,
    request: ImageRequest,
    base: Base,
    platform: ImagePlatform,
    compiler: Compiler | None,
    tell: Tell,
) -> tuple[str, Stored]:
    python, machine = base.inventory.python, platform.machine
    try:
        text = request.lock.read_text(encoding="utf-8")
        chosen = pins(text, marker_values(python, machine))
    except FileNotFoundError as error:
        raise ImageError(f"there is no lock {request.lock}", fix="--lock FILE") from error
    except (LockError, UnicodeDecodeError) as error:
        raise ImageError(f"the lock {request.lock}: {error}") from error
    chosen = [pin for pin in chosen if pin.name not in NOT_INSTALLED]
    plan = WheelPlan(chosen, python, machine, base.inventory.glibc_minor, compiler)

    def write(path: Path) -> tuple[Layer, tuple[Material, ...]]:
        tell("wheels", f"installing {len(chosen)} of {request.lock.name}, a minute or two")
        return write_wheels(plan, path)

    stored = store.layer("wheels", plan.inputs(), write)
    tell("wheels", f"{len(stored.parts)}, {megabytes(stored.layer.size_bytes)}")
    return "wheels", stored


def _jars(store: LayerStore, request: ImageRequest, tell: Tell) -> list[tuple[str, Stored]]:
    jars = request.jars
    if jars is None:
        return []

    def write(path: Path) -> tuple[Layer, tuple[Material, ...]]:
        return write_jars(jars, path)

    stored = store.layer("jars", jars.inputs(), write)
    tell("jars", f"{len(stored.parts)}, {megabytes(stored.layer.size_bytes)}")
    return [("jars", stored)]


def _assemble(
    store: LayerStore,
    request: ImageRequest,
    base: Base,
    platform: ImagePlatform,
    compiler: Compiler | None,
    below: list[tuple[str, Stored]],
    tell: Tell,
) -> Built:
    parts = [part for _, stored in below for part in stored.parts]
    sbom = written_sbom(request.origin, _name_of(base), parts)
    with store.staging() as staging:
        ours = write_ours(request.source, base.inventory, sbom, compiler, staging / "ours.tar")
        tell("bookpay", f"{request.origin.version}, {megabytes(ours.size_bytes)}")
        layers = [*((what, stored.layer) for what, stored in below), ("bookpay", ours)]
        config = described(base.config, layers, request.origin)
        size = write_archive(
            request.archive,
            base=base,
            layers=[layer for _, layer in layers],
            config=config,
            tag=request.tag,
        )
    beside = request.archive.with_suffix(".cdx.json")
    with replacing(beside) as file:
        file.write(sbom.encode())
    return Built(
        tag=request.tag,
        image_id=image_id(config),
        platform=platform,
        python=base.inventory.python,
        archive=request.archive,
        archive_digest=digest_of(request.archive),
        size_bytes=size,
        sbom=beside,
        layers=(
            *(
                BuiltLayer("base", diff_id, size)
                for diff_id, size in zip(base.diff_ids, base.sizes_bytes, strict=True)
            ),
            *(BuiltLayer(what, layer.diff_id, layer.size_bytes) for what, layer in layers),
        ),
    )


def _name_of(base: Base) -> str:
    return f"{base.tag} {' '.join(base.diff_ids)}".strip()


def megabytes(size_bytes: int) -> str:
    """A size for people."""
    return f"{size_bytes / 1_000_000:.1f} MB"
