"""How far a replay is, on stderr: one live line on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bookpayctl.cli.durations import age
from bookpayctl.cli.output import console, hint, is_interactive
from bookpayctl.cli.progress import LINE_SECONDS

if TYPE_CHECKING:
    from bookpayctl.replay.pace import ReplayProgress


@contextmanager
def shown_pace() -> Iterator[Callable[[ReplayProgress], None]]:
    """While the block runs, the function yielded shows one state."""
    if is_interactive(sys.stderr):
        with console(stderr=True).status("beginning") as status:
            yield lambda seen: status.update(sentence(seen))
    else:
        yield PaceLines()


class PaceLines:
    """Where nobody watches: one line every few seconds, and the last one."""

    def __init__(self) -> None:
        self._spoke_at = time.monotonic()

    def __call__(self, seen: ReplayProgress) -> None:
        if time.monotonic() - self._spoke_at < LINE_SECONDS and not seen.is_over:
            return
        self._spoke_at = time.monotonic()
        hint(sentence(seen))


def sentence(seen: ReplayProgress) -> str:
    """`12,000 of 118,000 records read, 9,800/s, 11s left`."""
    left = seen.seconds_left
    ending = "" if left is None or seen.is_over else f", {age(left)} left"
    return f"{seen.done:,} of {seen.total:,} {seen.doing}, {seen.per_second:,.0f}/s{ending}"
