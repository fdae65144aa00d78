"""`image`: the one image that every pod runs, written here without an engine, or by one."""

from __future__ import annotations

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


def build(
    archive: Annotated[
        Path,
        typer.Option(metavar="F.tar", help="Write this docker-archive, without an engine."),
    ],
    base: Annotated[
        Path, typer.Option(metavar="BASE.tar", help="What it stands on: a docker-archive.")
    ],
    tag: Annotated[str, typer.Option(metavar="NAME:TAG", help="How it is called.")] = "bookpay:dev",
    platform: Annotated[
        str | None, typer.Option(metavar="OS/ARCH", help="Default: the base's.")
    ] = None,
    lock: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What pins the wheels; default: this checkout's."),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Build the image of every service, the twin, the mail sink, PostgreSQL and Kafka.

    Example: bookpayctl image build --archive bookpay.tar --base python.tar
    """
    from bookpayctl.image.build import ImageRequest
    from bookpayctl.image.build import build as run
    from bookpayctl.image.description import ImageOrigin
    from bookpayctl.image.errors import ImageError
    from bookpayctl.image.jars import kafka_jars
    from bookpayctl.image.ours import this_source
    from bookpayctl.image.platforms import platform_named
    from bookpayctl.targets.servers.jars import cache_dir

    try:
        source = this_source()
        request = ImageRequest(
            archive=archive,
            base=base,
            tag=tag,
            platform=platform_named(platform) if platform else None,
            source=source,
            lock=lock or source.lock,
            origin=ImageOrigin(source.version),
            jars=kafka_jars(lambda done, of: hint(f"jars     {done}/{of}")),
            cache=cache_dir() / "image",
        )
        built = run(request, lambda part, text: hint(f"{part:<8} {text}"))
    except ImageError as error:
        fail(str(error), error.code, fix=error.fix or None, reason=error.reason)
    did(f"{built.archive} written")
    if output is OutputFormat.JSON:
        print_json(image_built(built))
    else:
        _print(built)


def image_built(built: Built) -> Document:
    """The image as a document."""
    body = {
        "tag": built.tag,
        "image_id": built.image_id,
        "platform": str(built.platform),
        "python": built.python,
        "archive": str(built.archive),
        "archive_digest": built.archive_digest,
        "size_bytes": built.size_bytes,
        "sbom": str(built.sbom),
        "layers": [
            {"what": layer.what, "diff_id": layer.diff_id, "size_bytes": layer.size_bytes}
            for layer in built.layers
        ],
    }
    return Document("ImageBuilt", ExitCode.PASS, "image_built", body)


def _print(built: Built) -> None:
    from bookpayctl.image.build import megabytes

    print_table(
        ("layer", "size", "diff_id"),
        [(layer.what, megabytes(layer.size_bytes), layer.diff_id) for layer in built.layers],
    )
    print_line()
    print_line(f"image    {built.tag}  {built.image_id}")
    print_line(f"archive  {built.archive}  {megabytes(built.size_bytes)}  {built.archive_digest}")
    print_line(f"sbom     {built.sbom}")


def register(app: typer.Typer) -> None:
    """Add `image` and what belongs to it."""
    group = typer.Typer(no_args_is_help=True, help="The image that every pod runs.")

    @group.callback()
    def _image() -> None:
        """Kept as a group while it has one command."""

    group.command("build")(build)
    app.add_typer(group, name="image")
