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


def holds_for(question: Callable[[], object], what: str, seconds: float) -> None:
    """Look again and again, and fail the test at the first look at which it is not so.

    A negative cannot be proven by waiting; choose `seconds` far above what the opposite takes.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert question(), f"no longer so: {what}"
        _pause.wait(LOOK_SECONDS)
