"""Ctrl-C, TERM and HUP as one exception, raised where the command waits and never in clean-up."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final, NoReturn

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks a command to end."""


class Stopped(BaseException):
    """A signal asked the command to stop. Not an Exception: no failure handler may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@dataclass(frozen=True, slots=True)
class LongWork:
    """A library's work that lasts, and that only the library itself can end before its time."""

    break_off: Callable[[], None]
    came: list[int] = field(default_factory=list)

    def raise_if_stopped(self) -> None:
        """To be called when the library gives control back, whatever it made of the stop.

        Raises:
            Stopped: a signal came while it was at work.
        """
        if self.came:
            raise Stopped(self.came[0])


_at_work: Final[list[LongWork]] = []


@contextmanager
def broken_off(break_off: Callable[[], None]) -> Iterator[LongWork]:
    """Within the block a signal that stops the command first calls this.

    Args:
        break_off: called in a signal handler, perhaps while the library is at work.
    """
    work = LongWork(break_off)
    _at_work.append(work)
    try:
        yield work
    finally:
        _at_work.remove(work)


def stop_now(number: int, _frame: FrameType | None = None) -> NoReturn:
    """A handler of signals that ask for the command's end.

    Raises:
        Stopped: always.
    """
    for work in _at_work:
        work.came.append(number)
        work.break_off()
    raise Stopped(number)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block a signal raises; afterwards the signals mean what they meant before.

    A library may make an error of its own out of what is raised while it is at work, as DuckDB does
    during a query. Such a stop is raised again at the end of the block: nothing ends as if nobody
    had asked it to stop.

    Raises:
        Stopped: a signal came.
    """
    before = {number: signal.getsignal(number) for number in STOPPING}
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        stop_now(number)

    for number in STOPPING:
        signal.signal(number, stop)
    try:
        yield
    except Exception as error:
        if came:
            raise Stopped(came[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise Stopped(came[0])


@contextmanager
def noticed(tell: Callable[[], None]) -> Iterator[list[int]]:
    """Within the block a signal is told and noted, and raises nothing: the work ends itself.

    Yields:
        The numbers of the signals that came, in order.
    """
    numbers: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        numbers.append(number)
        tell()

    before = {number: signal.signal(number, note) for number in STOPPING}
    try:
        yield numbers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shielded() -> Iterator[None]:
    """Within the block signals are ignored: a clean-up that has a deadline runs to its end."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
