"""A run's folder that somebody packed into a tar file, unpacked without trusting who packed it.

The standard library's filter that would do it is younger than Python 3.11.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath


class PackedRunError(ValueError):
    """The file is no tar file, is damaged, or holds what no run's folder has; the message says."""


def unpack(archive: Path, folder: Path) -> None:
    """Write every file that a tar file holds below `folder`, and nothing outside of it.

    Owners and permissions are not taken over.

    Raises:
        PackedRunError: see there; some files may have been written.
    """
    try:
        with tarfile.open(archive) as packed:
            for member in packed:
                _unpack_member(packed, member, folder)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise PackedRunError(str(error)) from error


def _unpack_member(packed: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise PackedRunError(f"{member.name!r} lies outside of the archive")
    target = folder / path
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content = packed.extractfile(member) if member.isreg() else None
    if content is None:
        raise PackedRunError(f"{member.name!r} is neither a file nor a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
