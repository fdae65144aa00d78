"""What lies in a layer, in the one order in which it is written. Pure.

A layer is a list of entries. Owner, mode and order are decided here and taken from no machine, so
that two machines write the same layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Final

FOLDER_MODE: Final = 0o755
PROGRAM_MODE: Final = 0o755
FILE_MODE: Final = 0o644

# What a layer says to hide a path of the layers below it (OCI image specification, layer.md).
WHITEOUT: Final = ".wh."


class EntryKind(Enum):
    """What an entry is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """One path of a layer.

    Attributes:
        path: from the root, without the first slash.
        source: where a file's bytes come from: a file of this machine, or the bytes themselves; a
            link's target as text.
        owner: uid and gid.
    """

    path: str
    kind: EntryKind
    source: Path | bytes = b""
    mode: int = FILE_MODE
    owner: int = 0


class DoubleEntryError(ValueError):
    """Two things would lie at one path."""


def file_entry(path: str, source: Path | bytes, *, program: bool = False) -> LayerEntry:
    """A file that root owns and everybody reads."""
    return LayerEntry(path, EntryKind.FILE, source, PROGRAM_MODE if program else FILE_MODE)


def folder_entry(path: str, *, owner: int = 0) -> LayerEntry:
    return LayerEntry(path, EntryKind.FOLDER, mode=FOLDER_MODE, owner=owner)


def whiteout(path: str) -> LayerEntry:
    """Hides a path of the base, and what lies below it."""
    hidden = PurePosixPath(path)
    return file_entry(str(hidden.with_name(f"{WHITEOUT}{hidden.name}")), b"")


def in_order(entries: Iterable[LayerEntry], *, standing: Iterable[str] = ()) -> list[LayerEntry]:
    """Every entry after the folders it lies in, which are added, and its neighbours by name.

    Args:
        standing: folders of the base: they keep the mode and owner they have there.

    Raises:
        DoubleEntryError: two entries have one path.
    """
    by_path: dict[str, LayerEntry] = {}
    for entry in entries:
        if by_path.setdefault(entry.path, entry) != entry:
            raise DoubleEntryError(f"{entry.path} comes twice into one layer")
    there = frozenset(standing)
    for path in list(by_path):
        for parent in PurePosixPath(path).parents:
            name = str(parent)
            if name != "." and name not in there:
                by_path.setdefault(name, folder_entry(name))
    # By names and not by the text: in that, `a-b` would come between `a` and `a/b`.
    return [by_path[path] for path in sorted(by_path, key=lambda path: path.split("/"))]
