"""`image`: the one image that every pod runs, written here without an engine, or by one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.options import OutputOption
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    did,
    fail,
    hint,
    print_json,
    print_line,
    print_table,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.image.build import Built
    from bookpayctl.image.description import ImageOrigin
    from bookpayctl.image.platforms import ImagePlatform


def build(
    archive: Annotated[
        Path | None,
        typer.Option(metavar="F.tar", help="Write this docker-archive, without an engine."),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(metavar="BASE.tar", help="What the archive stands on; default: pulled."),
    ] = None,
    tag: Annotated[str, typer.Option(metavar="NAME:TAG", help="How it is called.")] = "bookpay:dev",
    platform: Annotated[
        str | None, typer.Option(metavar="OS/ARCH", help="Default: the base's.")
    ] = None,
    lock: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What pins the wheels; default: the checkout's."),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Build the image that runs every service, the twin, the mail sink, PostgreSQL and Kafka.

    With --archive it is written to a file, by this tool alone: the same inputs give the same
    bytes, and no engine and no root is needed when --base is a docker-archive, too. Without
    it, docker, podman or buildah build the Containerfile of this checkout.

    Example: bookpayctl image build --archive bookpay.tar --base python.tar
    """
    from bookpayctl.image.errors import ImageError
    from bookpayctl.image.platforms import platform_named

    try:
        wanted = platform_named(platform) if platform else None
        if archive is not None:
            built = _written(archive, base, _tag(tag), wanted, lock)
        elif base is not None or lock is not None:
            fail("--base and --lock belong to --archive F.tar", ExitCode.USAGE)
        else:
            built = _by_engine(_tag(tag), wanted)
    except ImageError as error:
        fail(str(error), error.code, fix=error.fix or None, reason=error.reason)
    did(f"{built.tag} {built.image_id} built" + (f", {archive} written" if archive else ""))
    if output is OutputFormat.JSON:
        print_json(image_built(built))
    else:
        _print(built)


def _written(
    archive: Path, base: Path | None, tag: str, platform: ImagePlatform | None, lock: Path | None
) -> Built:
    from bookpayctl.image.build import ImageRequest
    from bookpayctl.image.build import build as run
    from bookpayctl.image.engines import base_by, engine_here, pinned_base
    from bookpayctl.image.errors import ImageError
    from bookpayctl.image.jars import kafka_jars
    from bookpayctl.image.ours import this_source
    from bookpayctl.image.platforms import platform_here
    from bookpayctl.image.recipe import Recipe
    from bookpayctl.targets.servers.jars import cache_dir

    source, cache = this_source(), cache_dir() / "image"
    if base is None:
        engine = engine_here()
        if engine is None:
            raise ImageError(
                "there is no base: neither --base BASE.tar, nor docker, podman or buildah here"
                " to pull the one that the Containerfile names",
                fix="on a machine with an engine: docker save -o BASE.tar python:3.12-slim",
                reason="no_base",
            )
        hint(f"base     {engine.name} brings what the Containerfile names")
        base = base_by(engine, pinned_base(source.folder), platform or platform_here(), cache)
    jars = kafka_jars(lambda done, of: hint(f"jars     {done}/{of}"))
    recipe = Recipe(source, lock or source.lock, _origin(), jars)
    return run(
        ImageRequest(archive, base, tag, platform, recipe, cache),
        lambda part, text: hint(f"{part:<8} {text}"),
    )


def _by_engine(tag: str, platform: ImagePlatform | None) -> Built:
    from bookpayctl.image.build import Built
    from bookpayctl.image.engines import build_with, engine_here
    from bookpayctl.image.errors import ImageError
    from bookpayctl.image.ours import this_source

    engine = engine_here()
    if engine is None:
        raise ImageError(
            "there is no docker, podman or buildah here",
            fix="bookpayctl image build --archive F.tar --base BASE.tar",
            reason="no_engine",
        )
    image_id = build_with(engine, this_source().folder, tag, platform, _origin())
    return Built(tag=tag, image_id=image_id, builder=engine.name)


def _origin() -> ImageOrigin:
    from bookpayctl.image.description import ImageOrigin
    from bookpayctl.image.ours import this_source
    from bookpayctl.image.revision import revision_of

    source = this_source()
    return ImageOrigin(source.version, revision_of(source.folder), source.address)


def _tag(text: str) -> str:
    """`NAME:TAG`, or NAME, as engines read it.

    Source:
        The reference grammar of distribution, without a digest.
    """
    name = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
    host = r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?"
    match = re.fullmatch(rf"{host}{name}(?:/{name})*(?::(\w[\w.-]{{0,127}}))?", text)
    if match is None:
        fail(f"--tag {text!r} is not NAME:TAG, like bookpay:dev", ExitCode.USAGE)
    return text if match[1] else f"{text}:latest"


def image_built(built: Built) -> Document:
    """The image as a document."""
    file = built.file
    body = {
        "tag": built.tag,
        "image_id": built.image_id,
        "builder": built.builder,
        "platform": None if file is None else str(file.platform),
        "python": None if file is None else file.python,
        "archive": None if file is None else str(file.path),
        "archive_digest": None if file is None else file.digest,
        "size_bytes": None if file is None else file.size_bytes,
        "sbom": None if file is None else str(file.sbom),
        "layers": [
            {"what": layer.what, "diff_id": layer.diff_id, "size_bytes": layer.size_bytes}
            for layer in (file.layers if file else ())
        ],
    }
    return Document("ImageBuilt", ExitCode.PASS, "image_built", body)


def _print(built: Built) -> None:
    from bookpayctl.image.recipe import megabytes

    file = built.file
    if file is not None:
        print_table(
            ("layer", "size", "diff_id"),
            [(layer.what, megabytes(layer.size_bytes), layer.diff_id) for layer in file.layers],
        )
        print_line()
    print_line(f"image    {built.tag}  {built.image_id}  by {built.builder}")
    if file is not None:
        print_line(f"archive  {file.path}  {megabytes(file.size_bytes)}  {file.digest}")
        print_line(f"sbom     {file.sbom}")


def register(app: typer.Typer) -> None:
    """Add `image` and what belongs to it."""
    group = typer.Typer(no_args_is_help=True, help="The image that every pod runs.")

    @group.callback()
    def _image() -> None:
        """Kept as a group while it has one command."""

    group.command("build")(build)
    app.add_typer(group, name="image")
