"""A busy machine on purpose: a command beside loops that take all of two processors.

`python -m tests.support.busy_loops pytest tests/unit` runs that module and ends as it ends. A loop
ends with whoever started it, however that one ends: stopped by its pid, or by itself when it finds
another parent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

# As many as a small machine of a CI has processors: everything gets half of one at most.
LOOPS: Final = 2
STOP_SECONDS: Final = 60.0
# Looks for its parent now and then; a SIGKILL of the parent runs no `finally`.
_LOOP: Final = """
import os
parent = int(os.sys.argv[1])
while os.getppid() == parent:
    sum(range(100_000))
"""


@contextmanager
def busy_loops(count: int = LOOPS) -> Iterator[list[int]]:
    """Loops that run for the length of the block, by their pids."""
    loops = [
        subprocess.Popen(
            [sys.executable, "-c", _LOOP, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A Ctrl-C in the terminal reaches the command, and these end with it.
            start_new_session=True,
        )
        for _ in range(count)
    ]
    try:
        yield [loop.pid for loop in loops]
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait(timeout=STOP_SECONDS)


def main(arguments: list[str]) -> int:
    """Run a module of this interpreter beside the loops; returns its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    with busy_loops() as pids:
        said = f"beside {len(pids)} busy loops: {' '.join(map(str, pids))}"
        print(said, file=sys.stderr, flush=True)  # noqa: T201 - for whoever watches the machine
        command = subprocess.Popen([sys.executable, "-m", *arguments])
        try:
            return command.wait()
        except KeyboardInterrupt:
            # From a terminal it has heard of the Ctrl-C itself; told twice it does not clean up.
            with suppress(subprocess.TimeoutExpired):
                return command.wait(timeout=1.0)
            command.send_signal(signal.SIGINT)
            return command.wait()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
