"""Files written so that a reader, and a crash, see the old one or the new one, never half of it."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

PUBLIC: Final = 0o644
SECRET: Final = 0o600


def write_atomically(path: Path, text: str, *, mode: int = PUBLIC) -> Path:
    """Write a whole file, durably, with exactly this mode from its first byte on.

    Raises:
        OSError: it could not be written; the old file, if there was one, is as it was, and nothing
            is left beside it.
    """
    return _put(path, text, mode=mode, like=None)


def rewrite_atomically(path: Path, text: str) -> Path:
    """The same for a file of somebody's choice: one that is there keeps its mode, owner and group.

    The owner is kept where this process may give files away, the group where it is in it.

    Raises:
        OSError: as `write_atomically`.
    """
    try:
        before = path.stat()
    except FileNotFoundError:
        return _put(path, text, mode=PUBLIC, like=None)
    return _put(path, text, mode=stat.S_IMODE(before.st_mode), like=before)


def _put(path: Path, text: str, *, mode: int, like: os.stat_result | None) -> Path:
    # Made with 0600 by mkstemp, so that a secret is never readable, not even for a moment.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:200]}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if like is not None:
                _give(file.fileno(), like)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        return temporary.replace(path)
    # Whatever ended it, a signal too: half a file under a name nobody knows is of no use.
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _give(handle: int, like: os.stat_result) -> None:
    for owner, group in ((like.st_uid, -1), (-1, like.st_gid)):
        # Nobody but root gives files away; then it is the writer's, as after any editor.
        with suppress(PermissionError):
            os.fchown(handle, owner, group)
