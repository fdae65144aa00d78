"""The image that ours stands on: read from a docker-archive, never changed, never run.

What `docker save` and `skopeo copy docker-archive:` write. Its layers are looked through once for
what the layers on top depend on: its Python, its glibc, its users, and what has no place in an
image that handles money (pip).
"""

from __future__ import annotations

import json
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from bookpayctl.image.errors import ImageError
from bookpayctl.image.inventory import Inventory, look_through, path_of

_MANIFEST: Final = "manifest.json"
_HOW: Final = "docker save -o BASE.tar IMAGE, or skopeo copy docker://IMAGE docker-archive:BASE.tar"


@dataclass(frozen=True, slots=True)
class Base:
    """A base that was read.

    Attributes:
        path: the archive.
        tag: how the archive calls it; empty when it does not.
        config: the image's configuration (OCI image specification, config.md).
        members: the archive's members that hold its layers, the lowest first.
        sizes_bytes: of these members, which may be compressed.
    """

    path: Path
    tag: str
    config: Mapping[str, Any]
    members: tuple[str, ...]
    sizes_bytes: tuple[int, ...]
    inventory: Inventory

    @property
    def diff_ids(self) -> list[str]:
        return list(self.config["rootfs"]["diff_ids"])


def read_base(path: Path) -> Base:
    """Read an archive, and look through its layers.

    Raises:
        ImageError: it is not there, is no docker-archive, holds several images or is cut short.
    """
    try:
        with tarfile.open(path) as archive:
            return _read(path, archive)
    except FileNotFoundError as error:
        raise ImageError(f"there is no base archive {path}", fix=_HOW) from error
    except OSError as error:
        raise ImageError(f"the base archive {path} cannot be read: {error.strerror}") from error
    except (tarfile.TarError, EOFError) as error:
        raise _not_one(path, f"it is no tar file, or cut short ({error})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_one(path, f"its description is not one ({error})") from error


def library_files(base: Base) -> dict[str, bytes]:
    """The Python files of the base's standard library, by their paths in the image."""
    library = f"{base.inventory.library}/"
    found: dict[str, bytes] = {}
    with tarfile.open(base.path) as archive:
        for layer in _layers(archive, base.members):
            for member in layer:
                path = path_of(member)
                wanted = path.startswith(library) and path.endswith(".py") and member.isreg()
                stream = layer.extractfile(member) if wanted else None
                if stream is not None and "/site-packages/" not in path:
                    found[path] = stream.read()
    return {path: found[path] for path in sorted(base.inventory.files & found.keys())}


def _read(path: Path, archive: tarfile.TarFile) -> Base:
    names = set(archive.getnames())
    if _MANIFEST not in names:
        kind = "it is an OCI archive" if "oci-layout" in names else f"it holds no {_MANIFEST}"
        raise _not_one(path, kind)
    images = json.loads(_content(archive, _MANIFEST))
    if len(images) != 1:
        raise _not_one(path, f"it holds {len(images)} images, and one is needed")
    config = json.loads(_content(archive, images[0]["Config"]))
    members = tuple(_resolved(archive, name) for name in images[0]["Layers"])
    if len(members) != len(config["rootfs"]["diff_ids"]):
        raise _not_one(path, "its layers are not those of its description")
    inventory = look_through(_layers(archive, members))
    tag = next(iter(images[0].get("RepoTags") or []), "")
    sizes = tuple(archive.getmember(name).size for name in members)
    return Base(path, tag, config, members, sizes, inventory)


def _layers(archive: tarfile.TarFile, members: tuple[str, ...]) -> Iterator[tarfile.TarFile]:
    for name in members:
        with (
            _opened(archive, name) as stream,
            tarfile.open(fileobj=stream, mode="r|*", bufsize=1 << 20) as layer,
        ):
            yield layer


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    with _opened(archive, name) as stream:
        return stream.read()


@contextmanager
def _opened(archive: tarfile.TarFile, name: str) -> Iterator[IO[bytes]]:
    stream = archive.extractfile(name)
    if stream is None:
        raise KeyError(f"{name} is no file")
    with stream:
        yield stream


def _resolved(archive: tarfile.TarFile, name: str) -> str:
    """Older engines write a layer that comes twice as a link to the first."""
    member = archive.getmember(name)
    if member.issym():
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
    return member.linkname if member.islnk() else name


def _not_one(path: Path, why: str) -> ImageError:
    return ImageError(f"{path} is not a docker-archive: {why}", fix=_HOW)
