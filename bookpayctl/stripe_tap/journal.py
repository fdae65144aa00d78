"""The journal: one JSON object a line, appended, readable while it is written.

A request has its line before its last byte goes on, so whatever Stripe did is on record, also when
the tap is killed a moment later. Lines are handed to the kernel at once, which survives the death
of the process; they are forced to the disk once a second and at the end: a power cut may cost the
last second, and no request waits for the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

FSYNC_SECONDS: Final = 1.0


class Journal:
    """An open journal; writes lines in the order they are given."""

    def __init__(self, path: Path, now: Callable[[], str]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._now = now
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._dirty = False
        _end_torn_line(path, self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        os.fsync(self._file)
        os.close(self._file)

    def write(self, line: Mapping[str, object]) -> None:
        """Append one line.

        Raises:
            OSError: it is not on record; what it is about must not go on.
        """
        data = json.dumps({"at": self._now(), **line}, separators=(",", ":")).encode() + b"\n"
        while data:
            data = data[os.write(self._file, data) :]
        self._dirty = True

    async def keep_on_disk(self) -> None:
        """Force what was written to the disk, once a second, for as long as it is awaited."""
        while True:
            await asyncio.sleep(FSYNC_SECONDS)
            if self._dirty:
                self._dirty = False
                await asyncio.to_thread(os.fsync, self._file)


def _end_torn_line(path: Path, file: int) -> None:
    """A line that a power cut left half written must not swallow the next one."""
    size = path.stat().st_size
    if size:
        with path.open("rb") as written:
            written.seek(size - 1)
            if written.read(1) != b"\n":
                os.write(file, b"\n")
