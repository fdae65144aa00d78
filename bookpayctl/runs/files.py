"""Files written so that a reader, and a crash, see the old one or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

PUBLIC: Final = 0o644
SECRET: Final = 0o600


def write_atomically(path: Path, text: str, *, mode: int = PUBLIC) -> Path:
    """Write a whole file, durably, with exactly this mode from its first byte on.

    Raises:
        OSError: it could not be written; the old file, if there was one, is as it was.
    """
    # Made with 0600 by mkstemp, so that a secret is never readable, not even for a moment.
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary = Path(file.name)
    temporary.chmod(mode)
    return temporary.replace(path)
