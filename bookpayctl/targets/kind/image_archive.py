"""The image in a docker-archive: its id and its names, read without unpacking it."""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bookpayctl.targets.kind.errors import ArchiveError
from bookpayctl.targets.kind.image_names import full_image_name

_MANIFEST: Final = "manifest.json"
MAKE: Final = "bookpayctl image build --archive F.tar --base BASE.tar"


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """One image.

    Attributes:
        image_id: `sha256:` and the digest of its configuration, as a runtime knows it.
        names: in full, with registry and tag.
    """

    image_id: str
    names: tuple[str, ...]


def read_archived_image(path: Path, wanted: str) -> ArchivedImage:
    """The image of an archive under the name that is wanted.

    Raises:
        ArchiveError: there is no archive, or it holds no image of that name.
    """
    try:
        with tarfile.open(path) as archive:
            images = [_image(archive, entry) for entry in json.loads(_content(archive, _MANIFEST))]
    except FileNotFoundError as error:
        raise _refused(f"there is no image archive {path}") from error
    except OSError as error:
        raise _refused(f"the image archive {path} cannot be read: {error}") from error
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
        raise _refused(f"{path} is not a docker-archive ({error})") from error
    for image in images:
        if full_image_name(wanted) in image.names:
            return image
    held = ", ".join(name for image in images for name in image.names) or "images without names"
    raise _refused(
        f"{path} holds {held}, and the pods shall run {wanted} (--image)", fix="--image NAME:TAG"
    )


def _image(archive: tarfile.TarFile, entry: dict[str, Any]) -> ArchivedImage:
    digest = hashlib.sha256(_content(archive, entry["Config"])).hexdigest()
    names = tuple(full_image_name(name) for name in entry.get("RepoTags") or ())
    return ArchivedImage(f"sha256:{digest}", names)


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    if stream is None:
        raise KeyError(f"{name} is no file")
    with stream:
        return stream.read()


def _refused(message: str, fix: str = MAKE) -> ArchiveError:
    error = ArchiveError(message)
    error.fix = fix
    return error
