"""Entries written as one layer: a tar file whose bytes the entries alone decide."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bookpayctl.image.entries import EntryKind, LayerEntry

# The first moment that a zip file can name, for whoever packs what the image holds.
EPOCH_SECONDS: Final = 315_532_800
EPOCH: Final = "1980-01-01T00:00:00Z"

_CHUNK_BYTES: Final = 1 << 20


class _Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Layer:
    """A written layer.

    Attributes:
        diff_id: `sha256:` and the digest of the uncompressed tar file.
        path: where it lies.
    """

    diff_id: str
    size_bytes: int
    path: Path


class _Hashing(io.RawIOBase):
    """Passes on what is written, and knows its digest and size."""

    def __init__(self, sink: _Sink) -> None:
        self._sink = sink
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self._sink.write(data)
        self.digest.update(data)
        self.size_bytes += len(data)
        return len(data)


def write_layer(entries: Iterable[LayerEntry], path: Path) -> Layer:
    """Write the entries, in the order given, as the uncompressed layer `path`.

    Raises:
        OSError: an entry cannot be read, or the layer not be written; `path` may be half there.
    """
    with path.open("wb") as file:
        hashing = _Hashing(file)
        # PAX: names of any length and letters, as docker, containerd and podman read them.
        with tarfile.open(
            fileobj=hashing,
            mode="w|",
            format=tarfile.PAX_FORMAT,
            encoding="utf-8",
            bufsize=_CHUNK_BYTES,
        ) as tar:
            for entry in entries:
                _add(tar, entry)
    return Layer(f"sha256:{hashing.digest.hexdigest()}", hashing.size_bytes, path)


def digest_of(path: Path) -> str:
    """`sha256:` and the digest of a file."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def header(name: str, *, mode: int, owner: int = 0) -> tarfile.TarInfo:
    """A tar member's header in which nothing is this machine's."""
    made = tarfile.TarInfo(name)
    made.mode, made.mtime = mode, EPOCH_SECONDS
    made.uid = made.gid = owner
    return made


def _add(tar: tarfile.TarFile, entry: LayerEntry) -> None:
    member = header(entry.path, mode=entry.mode, owner=entry.owner)
    source = entry.source
    if entry.kind is EntryKind.FOLDER:
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
    elif entry.kind is EntryKind.LINK:
        member.type = tarfile.SYMTYPE
        member.linkname = source.decode() if isinstance(source, bytes) else str(source)
        tar.addfile(member)
    elif isinstance(source, bytes):
        member.size = len(source)
        tar.addfile(member, io.BytesIO(source))
    else:
        with source.open("rb") as file:
            member.size = source.stat().st_size
            tar.addfile(member, file)
