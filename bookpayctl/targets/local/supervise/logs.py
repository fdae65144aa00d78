"""The logs of an environment as one stream: parsed, merged by time, filtered, followed.

Each process has one file and up to two rotated ones. Services write one JSON object per line;
what is not JSON (PostgreSQL, Kafka, a crash's traceback) is kept too and takes its time from the
line before it.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from bookpayctl.targets.log_lines import LogLine, parse, time_at_start

# Oldest first. supervisor names rotated files so.
_SUFFIXES: Final = (".2", ".1", "")

_POLL_SECONDS: Final = 0.2

_EARLIEST: Final = ""


def read_all(logs_dir: Path, processes: Iterable[str]) -> Iterator[LogLine]:
    """Every line there is of the named processes, by time."""
    return heapq.merge(
        *(_lines_of(logs_dir, process) for process in processes), key=lambda line: line.at
    )


def follow(
    logs_dir: Path, processes: Iterable[str], *, is_over: Callable[[], bool]
) -> Iterator[LogLine]:
    """New lines as they are written, across rotations, until `is_over`."""
    with ExitStack() as stack:
        tails = [stack.enter_context(closing(_Tail(logs_dir, name))) for name in processes]
        while not is_over():
            lines = (line for tail in tails for line in tail.read_new())
            fresh = sorted(lines, key=lambda line: line.at)
            yield from fresh
            if not fresh:
                time.sleep(_POLL_SECONDS)


def _lines_of(logs_dir: Path, process: str) -> Iterator[LogLine]:
    at = _EARLIEST
    for suffix in _SUFFIXES:
        path = logs_dir / f"{process}.log{suffix}"
        if not path.exists():
            continue
        with path.open(errors="replace") as file:
            for raw in file:
                line = parse(process, raw.rstrip("\n"), at)
                at = line.at
                yield line


class _Tail:
    """One process's file, read from its present end on; a rotated file is read to its end first."""

    def __init__(self, logs_dir: Path, process: str) -> None:
        self._path = logs_dir / f"{process}.log"
        self._process = process
        self._at = _EARLIEST
        self._rest = ""
        self._file: TextIOWrapper | None = None
        self._open()
        if self._file is not None:
            self._file.seek(0, os.SEEK_END)
            # Until a line says its own time, it is the time of what was written last.
            written = os.fstat(self._file.fileno()).st_mtime
            self._at = time_at_start(datetime.fromtimestamp(written, UTC).isoformat())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self) -> None:
        self.close()
        try:
            self._file = self._path.open(errors="replace")
        except FileNotFoundError:
            self._file = None

    def read_new(self) -> list[LogLine]:
        lines = self._drain()
        if self._is_replaced():
            self._open()
            lines += self._drain()
        return lines

    def _drain(self) -> list[LogLine]:
        if self._file is None:
            return []
        # A writer may be in the middle of a line: the rest of it comes with the next call.
        *whole, self._rest = (self._rest + self._file.read()).split("\n")
        lines = []
        for raw in whole:
            line = parse(self._process, raw, self._at)
            self._at = line.at
            lines.append(line)
        return lines

    def _is_replaced(self) -> bool:
        """Whether another file has the name now, or the same one was cut."""
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True
        mine = os.fstat(self._file.fileno())
        return facts.st_ino != mine.st_ino or facts.st_size < self._file.tell()
