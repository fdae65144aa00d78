"""A folder of this machine as entries: names, bytes and whether a file is a program; no more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from bookpayctl.image.entries import PROGRAM_MODE, EntryKind, LayerEntry, file_entry


def folder_entries(root: Path, at: str, keep: Callable[[str], bool]) -> Iterator[LayerEntry]:
    """Every file and link below `root` that `keep` wants, by its path below `root`, below `at`.

    Folders come with what lies in them; an empty one does not come.
    """
    prefix = f"{at}/" if at else ""
    for folder, _, names in os.walk(root):
        inside = Path(folder)
        # os.walk counts a link to a folder among the folders and does not enter it.
        links = [entry.name for entry in os.scandir(folder) if entry.is_symlink()]
        for name in sorted({*names, *links}):
            source = inside / name
            path = source.relative_to(root).as_posix()
            if not keep(path):
                continue
            if source.is_symlink():
                target = os.readlink(source).encode()
                yield LayerEntry(f"{prefix}{path}", EntryKind.LINK, target, mode=PROGRAM_MODE)
            else:
                yield file_entry(f"{prefix}{path}", source, program=_is_program(source))


def _is_program(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)
