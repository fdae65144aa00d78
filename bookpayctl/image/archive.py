"""A docker-archive: what `docker load`, `ctr images import` and `kind load image-archive` read.

Source:
    The Docker image specification v1.2, combined image JSON and file system changeset format.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bookpayctl.image.description import image_id
from bookpayctl.image.entries import FILE_MODE
from bookpayctl.image.errors import ImageError
from bookpayctl.image.foundation import Base
from bookpayctl.image.layer import Layer, header
from bookpayctl.report.exit_code import ExitCode


def write_archive(
    path: Path, *, base: Base, layers: Sequence[Layer], config: bytes, tag: str
) -> int:
    """Write base and layers as one image called `tag`.

    Written beside its place and renamed when it is whole and on the disk.

    Returns:
        The size of the archive in bytes.

    Raises:
        ImageError: it could not be written, e.g. because the disk is full; what was at `path`
            before is as it was.
    """
    with (
        replacing(path) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        names = [*_base_layers(archive, base), *_own_layers(archive, layers)]
        config_name = f"{image_id(config).removeprefix('sha256:')}.json"
        _put(archive, config_name, config)
        manifest = [{"Config": config_name, "RepoTags": [tag], "Layers": names}]
        _put(archive, "manifest.json", json.dumps(manifest).encode())
    return path.stat().st_size


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the block ends well, and is gone otherwise.

    Raises:
        ImageError: the file system refused.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name[:200]}.")
    except OSError as error:
        raise _refused(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), FILE_MODE)
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _base_layers(archive: tarfile.TarFile, base: Base) -> Iterator[str]:
    """Copy the base's layers as they are, under names that only their contents decide."""
    written = set()
    with tarfile.open(base.path) as source:
        for diff_id, inside in zip(base.diff_ids, base.members, strict=True):
            name = _member_of(diff_id)
            # An empty layer may come twice.
            if name not in written:
                member = header(name, mode=FILE_MODE)
                member.size = source.getmember(inside).size
                archive.addfile(member, source.extractfile(inside))
            written.add(name)
            yield name


def _own_layers(archive: tarfile.TarFile, layers: Sequence[Layer]) -> Iterator[str]:
    for layer in layers:
        name = _member_of(layer.diff_id)
        member = header(name, mode=FILE_MODE)
        member.size = layer.size_bytes
        with layer.path.open("rb") as file:
            archive.addfile(member, file)
        yield name


def _member_of(diff_id: str) -> str:
    return f"{diff_id.removeprefix('sha256:')}.tar"


def _put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = header(name, mode=FILE_MODE)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _refused(path: Path, error: OSError) -> ImageError:
    return ImageError(
        f"{path} could not be written: {error.strerror or error}; nothing is left of it",
        code=ExitCode.UNKNOWN,
        reason="not_written",
    )
