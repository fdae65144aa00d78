"""stdout and stderr as a command may rely on them: a write never raises, and what was lost is told.

A stream can be closed before the command began, its reader can go away, its disk can be full. None
of that says anything about the work that was done, so none of it may end the work or name its
outcome. What could not be written is noted here, and the end of the command tells it.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, Final, TextIO

STANDARD_STREAMS: Final = (0, 1, 2)


class Stream:
    """One of the standard streams, in place of it.

    Attributes:
        lost: why something could not be written; None as long as everything was.
        reader_left: whether that was the reader's doing: a pipe that was closed, or no stream from
            the start. Then nobody waits for what was lost.
    """

    def __init__(self, real: TextIO | None, number: int) -> None:
        """Take the place of `real`, None when the command was started without it."""
        self._real = real
        self._number = number
        self._held: list[str] | None = None
        self.wrote = False
        self.lost: str | None = None
        self.reader_left = False
        if real is None:
            self._lose("it was closed before the command began", reader_left=True)

    def hold(self) -> None:
        """Keep what is written until the end, because it must be one document or none of it."""
        self._held = []

    def release(self) -> str:
        """What was held; what is written from now on goes out at once."""
        text = "".join(self._held or ())
        self._held = None
        return text

    @property
    def is_held(self) -> bool:
        return self._held is not None

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            # As every text stream answers; libraries ask to find out which kind this is.
            raise TypeError(f"a text is written here, not {type(text).__name__}")
        if self._held is not None:
            self._held.append(text)
        elif self._real is not None:
            self.wrote = True
            try:
                self._real.write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        if self._real is not None and self._held is None:
            try:
                self._real.flush()
            except OSError as error:
                self._give_up(error)

    def isatty(self) -> bool:
        return self._real is not None and self._real.isatty()

    def fileno(self) -> int:
        """The descriptor, which is always open: what was closed leads nowhere instead."""
        return self._number

    @property
    def encoding(self) -> str:
        return self._real.encoding if self._real is not None else "utf-8"

    def __getattr__(self, name: str) -> Any:
        # Whatever else libraries ask a text stream for.
        return getattr(self._real if self._real is not None else sys.__stderr__, name)

    def _give_up(self, error: OSError) -> None:
        self._lose(str(error), reader_left=error.errno == errno.EPIPE)
        self._real = None
        # What lies in the interpreter's buffer would be tried again at its end, and fail again.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._number)
        os.close(nowhere)

    def _lose(self, reason: str, *, reader_left: bool) -> None:
        self.lost, self.reader_left = reason, reader_left


def take_over() -> tuple[Stream, Stream]:
    """Put a Stream in place of stdout and of stderr.

    A descriptor that is closed is opened onto nothing first: else the next file or socket would get
    its number, and whatever writes to stdout would write into that.
    """
    for number in STANDARD_STREAMS:
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            # A title with a letter that this terminal has not is no reason to say nothing.
            stream.reconfigure(errors="backslashreplace")
    out, err = Stream(sys.stdout, 1), Stream(sys.stderr, 2)
    # Every command, and every library below it, writes through these.
    sys.stdout, sys.stderr = out, err
    return out, err
