"""Where a report goes: a file, or what is none and must not be replaced by one.

A regular file is replaced by a new one beside it, whole or not at all; a link is followed and stays
a link, whether there is a file behind it yet or not. A FIFO or a device such as /dev/full is
written through, and never renamed over. What cannot be written to is said before anything begins.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from bookpayctl.runs.files import rewrite_atomically
from bookpayctl.runs.waiting import wait_until

# How long a FIFO may be without a reader, or a reader may take for what it is given.
READER_SECONDS_MAX: Final = 10.0
STREAMS: Final = {1: "stdout", 2: "stderr"}


class DestinationError(ValueError):
    """Nothing can be written there; the message says what it is, and why not."""


class DestinationKind(StrEnum):
    """How it is written."""

    FILE = "file"
    DEVICE = "device"
    FIFO = "fifo"
    DESCRIPTOR = "descriptor"


@dataclass(frozen=True, slots=True)
class Destination:
    """One place for one report.

    Attributes:
        path: as it was given.
        real: of a file, where it is behind all links; else as given.
        descriptor: of stdout or stderr, when the path is another name of it.
        identity: the same for two paths to the same thing.
    """

    path: Path
    kind: DestinationKind
    real: Path
    identity: tuple[str, ...]
    descriptor: int | None = None


def destination(text: str) -> Destination:
    """See what a path leads to, and that it can be written to now.

    Raises:
        DestinationError: it is a folder, a socket or a disk; its folder is not there or cannot be
            written to; or the file cannot.
    """
    path = Path(text)
    if text.endswith("/"):
        raise DestinationError("it names a folder")
    try:
        status = path.stat()
    except FileNotFoundError:
        return _new_file(path)
    except OSError as error:
        raise DestinationError(error.strerror or str(error)) from error
    return _existing(path, status)


def _new_file(path: Path) -> Destination:
    real = Path(os.path.realpath(path))
    _try_folder(real)
    return Destination(path, DestinationKind.FILE, real, ("file", str(real)))


def _existing(path: Path, status: os.stat_result) -> Destination:
    identity = (str(status.st_dev), str(status.st_ino))
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise DestinationError("it is a folder")
    if stat.S_ISBLK(mode):
        raise DestinationError("it is a disk, and would be overwritten")
    if not stat.S_ISCHR(mode):
        number = _same_as_stream(status)
        if number is not None:
            return Destination(path, DestinationKind.DESCRIPTOR, path, identity, number)
    if stat.S_ISSOCK(mode):
        raise DestinationError("it is a socket")
    if not os.access(path, os.W_OK):
        raise DestinationError("it must not be written to")
    if stat.S_ISCHR(mode):
        return Destination(path, DestinationKind.DEVICE, path, identity)
    if stat.S_ISFIFO(mode):
        return Destination(path, DestinationKind.FIFO, path, identity)
    real = Path(os.path.realpath(path))
    _try_folder(real)
    return Destination(path, DestinationKind.FILE, real, identity)


def _same_as_stream(status: os.stat_result) -> int | None:
    """The number of the stream that this is, under another name such as /dev/stdout.

    Renaming over the file that stdout leads to would leave stdout with a file without a name.
    """
    for number in STREAMS:
        stream = os.fstat(number)
        if (stream.st_dev, stream.st_ino) == (status.st_dev, status.st_ino):
            return number
    return None


def _try_folder(real: Path) -> None:
    """Make a file beside it and take it away again: what the mode promises, the disk may refuse."""
    if not real.parent.is_dir():
        raise DestinationError(f"the folder {real.parent} does not exist")
    try:
        with tempfile.NamedTemporaryFile(dir=real.parent, prefix=f".{real.name[:200]}."):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise DestinationError(f"the folder {real.parent} takes no file: {reason}") from error


def doubled(destinations: Sequence[Destination]) -> Destination | None:
    """The first that is the same place as one before it; a device takes any number."""
    seen = set()
    for place in destinations:
        if place.kind is not DestinationKind.DEVICE and place.identity in seen:
            return place
        seen.add(place.identity)
    return None


def deliver(place: Destination, text: str) -> None:
    """Write all of `text`, or nothing where that is possible.

    Raises:
        OSError: it was not all written; of a file the old one is as it was.
    """
    match place.kind:
        case DestinationKind.FILE:
            rewrite_atomically(place.real, text)
        case DestinationKind.DESCRIPTOR:
            _write_all(place.descriptor or 1, text.encode())
        case DestinationKind.DEVICE | DestinationKind.FIFO:
            handle = _open(place.path)
            try:
                _write_all(handle, text.encode())
            finally:
                os.close(handle)


def _open(path: Path) -> int:
    """Open for writing, without making anything, and without waiting for ever for a reader."""

    def attempt() -> int | OSError:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return error

    opened = wait_until(
        attempt, lambda got: isinstance(got, int), deadline_seconds=READER_SECONDS_MAX
    ).value
    if isinstance(opened, OSError):
        raise TimeoutError(f"nobody has read it for {READER_SECONDS_MAX:g} s") from opened
    return opened


def _write_all(handle: int, content: bytes) -> None:
    deadline = time.monotonic() + READER_SECONDS_MAX
    poll = select.poll()
    poll.register(handle, select.POLLOUT)
    while content:
        try:
            written = os.write(handle, content)
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"its reader took nothing for {READER_SECONDS_MAX:g} s"
                ) from None
            poll.poll(left * 1000)
            continue
        deadline = time.monotonic() + READER_SECONDS_MAX
        content = content[written:]
