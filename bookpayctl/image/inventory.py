"""What the layers of a base hold, as far as an image on top of it has to know.

The names of all files, and the contents of the few that are asked for. Whiteouts are obeyed, so a
file that an upper layer removed is not there.
"""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bookpayctl.image.entries import WHITEOUT
from bookpayctl.image.errors import ImageError

_USERS: Final = "etc/passwd"
_GROUP: Final = "etc/group"
_OPAQUE: Final = ".wh..wh..opq"

# `libc-2.31.so` says it in its name, a newer one in its text.
_LIBC: Final = re.compile(r"(?:^|/)lib(?:64|32)?/(?:[^/]+/)?libc(?:-2\.(\d+)\.so|\.so\.6)$")
_LIBC_VERSION: Final = re.compile(rb"GNU C Library [^\n]*version 2\.(\d+)")
_STANDARD_LIBRARY: Final = re.compile(r"((?:.+/)?lib/python(3\.\d+))/os\.py")
_INSTALLER: Final = re.compile(
    r"(.*/lib/python3[^/]*/(?:(?:site|dist)-packages/(?:pip|setuptools|wheel|pkg_resources"
    r"|_distutils_hack)(?:-[^/]*\.(?:dist|egg)-info)?|ensurepip)"
    r"|(?:.*/)?bin/(?:pip|wheel|easy_install)[0-9.]*)(?:/.*)?"
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a base holds.

    Attributes:
        files, folders: their paths, without the first slash.
        python: the version of its Python, like `3.12`.
        library: where its standard library lies.
        glibc_minor: N of glibc 2.N.
        passwd, group: its users and groups, as text.
        installers: paths that belong to pip and its like, the topmost only.
    """

    files: frozenset[str]
    folders: frozenset[str]
    python: str
    library: str
    glibc_minor: int
    passwd: str
    group: str
    installers: tuple[str, ...]


def look_through(layers: Iterable[tarfile.TarFile]) -> Inventory:
    """Read the layers, the lowest first.

    Raises:
        ImageError: there is no Python or no glibc in it.
    """
    seen: dict[str, bool] = {}
    contents: dict[str, bytes] = {}
    for layer in layers:
        _add(layer, seen, contents)
    files = {path for path, is_folder in seen.items() if not is_folder}
    library, python = _python_of(files)
    return Inventory(
        files=frozenset(files),
        folders=frozenset(path for path, is_folder in seen.items() if is_folder),
        python=python,
        library=library,
        glibc_minor=_glibc_of({path: contents[path] for path in contents if path in files}),
        passwd=contents.get(_USERS, b"").decode(),
        group=contents.get(_GROUP, b"").decode(),
        installers=installers_among(files),
    )


def installers_among(files: Iterable[str]) -> tuple[str, ...]:
    """The topmost paths that belong to pip, setuptools and wheel."""
    return tuple(sorted({match[1] for path in files if (match := _INSTALLER.fullmatch(path))}))


def path_of(member: tarfile.TarInfo) -> str:
    """From the root, without the first slash; `.` for the root."""
    return posixpath.normpath(member.name).lstrip("/")


def _add(layer: tarfile.TarFile, seen: dict[str, bool], contents: dict[str, bytes]) -> None:
    below = dict(seen)
    for member in layer:
        path = path_of(member)
        folder, name = posixpath.split(path)
        if name == _OPAQUE:
            _remove(below, seen, folder, itself=False)
        elif name.startswith(WHITEOUT):
            _remove(below, seen, posixpath.join(folder, name.removeprefix(WHITEOUT)), itself=True)
        elif path != ".":
            seen[path] = member.isdir()
            if member.isreg() and (path in {_USERS, _GROUP} or _LIBC.search(path)):
                stream = layer.extractfile(member)
                contents[path] = stream.read() if stream else b""


def _remove(below: dict[str, bool], seen: dict[str, bool], path: str, *, itself: bool) -> None:
    """Forget what the layers below have at `path`; what this layer brings stays."""
    for gone in [name for name in below if name.startswith(f"{path}/")]:
        seen.pop(gone, None)
    if itself:
        seen.pop(path, None)


def _python_of(files: set[str]) -> tuple[str, str]:
    """Where the standard library is, and its version; /usr/local before /usr, as on PATH."""
    found = sorted(
        (not path.startswith("usr/local/"), match[1], match[2])
        for path in files
        if (match := _STANDARD_LIBRARY.fullmatch(path))
    )
    if not found:
        raise ImageError(
            "the base holds no Python 3",
            fix="take one like python:3.12-slim",
        )
    _, library, python = found[0]
    return library, python


def _glibc_of(libraries: dict[str, bytes]) -> int:
    for path, content in sorted(libraries.items()):
        named = _LIBC.search(path)
        if named and named[1]:
            return int(named[1])
        told = _LIBC_VERSION.search(content)
        if told:
            return int(told[1])
    raise ImageError(
        "the base holds no glibc, for which the wheels are made",
        fix="take one of Debian, like python:3.12-slim, not of Alpine",
    )
