"""What one item of a hot path costs, by the clock and of processors.

On a machine that has more to do the clock says little about a path; the time that its processes
spent on processors says more, and the disk is in none of it. Both are told. Processor time is read
where the kernel counts nanoseconds, because a hundredth of a second is many items.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

Processes = Callable[[], Iterable[int]]
"""Who works for a path, by pid, as they are now."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds for each item.

    Attributes:
        processor_us: None where processes that work for it end meanwhile, and take it with them.
    """

    clock_us: float
    processor_us: float | None = None


Repetition = Callable[[], Cost]
"""One repetition of a path."""


def timed(
    work: Callable[[], object], times: int, items: int, processes: Processes | None = None
) -> Repetition:
    """Do it so many times, for so many items in all."""

    def repetition() -> Cost:
        pids = tuple(processes()) if processes else ()
        spent, began = processor_seconds(pids), time.perf_counter()
        for _ in range(times):
            work()
        seconds = time.perf_counter() - began
        used = (processor_seconds(pids) - spent) / items * 1e6 if pids else None
        return Cost(seconds / items * 1e6, used)

    return repetition


def processor_seconds(pids: Iterable[int]) -> float:
    """What all threads of these processes have spent on processors; one that is gone, nothing.

    Source:
        Linux, Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat: the first number is
        the time on a processor, in nanoseconds.
    """
    found = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += int((task / "schedstat").read_text().split()[0])
    return found / 1e9


def with_children(pid: int) -> list[int]:
    """A server that has a process for each session, and this process, which asks it."""
    return [os.getpid(), *(child.pid for child in psutil.Process(pid).children())]
