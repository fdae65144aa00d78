"""Waiting for a condition with a deadline, and seeing that one holds for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS: Final = 60.0
"""How long a condition may take on a machine that is busy with something else."""

LOOK_SECONDS: Final = 0.05
"""Between two looks. It spares the processor only; what is waited for is the condition."""

# Of processor time: many of a scheduler's turns, and nothing to wait for.
_SAMPLE_SECONDS: Final = 0.2

# Never set: a pause that a debugger can tell from a hang.
_pause = threading.Event()


def eventually(
    question: Callable[[], T | None],
    what: str | Callable[[], str],
    seconds: float = PATIENCE_SECONDS,
) -> T:
    """The first true answer to `question`; the test fails at the deadline.

    Args:
        what: the condition in words, or a function that tells how far it is, asked at the deadline.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            missed = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {seconds:g} s: {missed}")
        _pause.wait(LOOK_SECONDS)


def slowness() -> float:
    """How many times as long as alone a computation takes now, beside all else; 1 is alone.

    For bounds that are promises, such as "within 30 seconds": they are promised for a machine that
    does nothing else.
    """
    began, spent = time.monotonic(), time.thread_time()
    while time.thread_time() - spent < _SAMPLE_SECONDS:
        pass
    return max(1.0, (time.monotonic() - began) / _SAMPLE_SECONDS)


def holds_for(question: Callable[[], object], what: str, seconds: float) -> None:
    """Look again and again, and fail the test at the first look at which it is not so.

    A negative cannot be proven by waiting; choose `seconds` far above what the opposite takes.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert question(), f"no longer so: {what}"
        _pause.wait(LOOK_SECONDS)
