"""An image written as an archive: the base, its byte code, the wheels, the jars, ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.image.archive import replacing, write_archive
from bookpayctl.image.bytecode import Compiler, compiled
from bookpayctl.image.description import described, image_id
from bookpayctl.image.entries import file_entry, in_order
from bookpayctl.image.errors import ImageError
from bookpayctl.image.foundation import Base, library_files, read_base
from bookpayctl.image.layer import Layer, digest_of, write_layer
from bookpayctl.image.materials import Material
from bookpayctl.image.platforms import ImagePlatform, platform_named
from bookpayctl.image.recipe import (
    NamedLayer,
    Recipe,
    Tell,
    compiler_told,
    jars_layer,
    our_layer,
    wheels_layer,
)
from bookpayctl.image.store import LayerStore, opened_store
from bookpayctl.report.exit_code import ExitCode

# As pyproject.toml says.
_PYTHON_MIN: Final = (3, 11)


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What is to be built.

    Attributes:
        base: a docker-archive.
        platform: None: the base's.
        cache: the folder for layers that are kept.
    """

    archive: Path
    base: Path
    tag: str
    platform: ImagePlatform | None
    recipe: Recipe
    cache: Path


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer of the image; `what` is `base`, `python`, `wheels`, `jars` or `bookpay`."""

    what: str
    diff_id: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An archive that was written.

    Attributes:
        digest: of the file; two builds of the same inputs have the same.
        sbom: the list of materials beside it.
    """

    path: Path
    digest: str
    size_bytes: int
    sbom: Path
    platform: ImagePlatform
    python: str
    layers: tuple[BuiltLayer, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """An image that was made.

    Attributes:
        image_id: as engines call it, the digest of its configuration.
        builder: `bookpayctl`, or the engine that made it.
        file: None when an engine keeps it.
    """

    tag: str
    image_id: str
    builder: str
    file: ImageFile | None = None


def build(request: ImageRequest, tell: Tell) -> Built:
    """Write the archive and the list of materials beside it.

    Raises:
        ImageError: what is needed is not there or does not fit; nothing was written.
    """
    base = read_base(request.base)
    platform = _platform(base, request.platform)
    python = base.inventory.python
    tell("base", f"{base.tag or base.path.name}, {platform}, Python {python}")
    try:
        with opened_store(request.cache) as store:
            compiler = compiler_told(python, tell)
            below = _below(store, request.recipe, base, platform, compiler, tell)
            return _assembled(store, request, base, platform, compiler, below)
    except OSError as error:
        raise ImageError(
            f"the image could not be built: {error}; no archive was written",
            code=ExitCode.UNKNOWN,
            reason="not_built",
        ) from error


def _platform(base: Base, wanted: ImagePlatform | None) -> ImagePlatform:
    python = base.inventory.python
    if tuple(map(int, python.split("."))) < _PYTHON_MIN:
        needed = ".".join(map(str, _PYTHON_MIN))
        raise ImageError(
            f"the base {base.path} has Python {python}, and bookpay needs {needed} or newer",
            fix="take one like python:3.12-slim",
        )
    theirs = platform_named(f"{base.config.get('os')}/{base.config.get('architecture')}")
    if wanted is not None and wanted != theirs:
        raise ImageError(
            f"the base {base.path} is for {theirs}, and the image shall be for {wanted}",
            fix=f"docker pull --platform {wanted} IMAGE, and docker save it",
            reason="other_architecture",
        )
    return theirs


def _below(
    store: LayerStore,
    recipe: Recipe,
    base: Base,
    platform: ImagePlatform,
    compiler: Compiler | None,
    tell: Tell,
) -> list[NamedLayer]:
    """The layers between the base and ours."""
    return [
        *_library(store, base, compiler),
        wheels_layer(store, recipe, base.inventory, platform, compiler, tell),
        *([jars_layer(store, recipe.jars, tell)] if recipe.jars else []),
    ]


def _library(store: LayerStore, base: Base, compiler: Compiler | None) -> list[NamedLayer]:
    """Byte code of the base's standard library, which images of Python come without."""
    inside = base.inventory
    has_it = any(path.startswith(f"{inside.library}/__pycache__/") for path in inside.files)
    if compiler is None or has_it:
        return []

    def write(path: Path) -> tuple[Layer, tuple[Material, ...]]:
        sources = [file_entry(at, text) for at, text in library_files(base).items()]
        entries = compiled(sources, compiler, path.parent / "compiled")
        return write_layer(in_order(entries, standing=inside.folders), path), ()

    stored = store.layer("python", [compiler.version, *base.diff_ids], write)
    return [NamedLayer("python", stored.layer)]


def _assembled(
    store: LayerStore,
    request: ImageRequest,
    base: Base,
    platform: ImagePlatform,
    compiler: Compiler | None,
    below: list[NamedLayer],
) -> Built:
    name = f"{base.tag} {' '.join(base.diff_ids)}".strip()
    with store.staging() as staging:
        ours, sbom = our_layer(
            request.recipe, base.inventory, name, below, compiler, staging / "ours.tar"
        )
        layers = [*below, ours]
        config = described(
            base.config, [(one.what, one.layer) for one in layers], request.recipe.origin
        )
        size_bytes = write_archive(
            request.archive,
            base=base,
            layers=[one.layer for one in layers],
            config=config,
            tag=request.tag,
        )
    beside = request.archive.with_suffix(".cdx.json")
    with replacing(beside) as listed:
        listed.write(sbom.encode())
    file = ImageFile(
        path=request.archive,
        digest=digest_of(request.archive),
        size_bytes=size_bytes,
        sbom=beside,
        platform=platform,
        python=base.inventory.python,
        layers=_sizes(base, layers),
    )
    return Built(request.tag, image_id(config), "bookpayctl", file)


def _sizes(base: Base, layers: list[NamedLayer]) -> tuple[BuiltLayer, ...]:
    of_base = zip(base.diff_ids, base.sizes_bytes, strict=True)
    return (
        *(BuiltLayer("base", diff_id, size_bytes) for diff_id, size_bytes in of_base),
        *(BuiltLayer(one.what, one.layer.diff_id, one.layer.size_bytes) for one in layers),
    )
