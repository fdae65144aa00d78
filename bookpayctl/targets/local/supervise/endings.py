"""How processes ended and started, in supervisor's own sentences.

An exit status is evidence that a fault landed only if somebody else than the tool saw it; here it
is the parent of the process, in its own log, from a position noted before the fault.
"""

from __future__ import annotations

import re
from typing import Final

from bookpayctl.targets.target import ProcessEnd, ProcessEvents, ProcessStart

_EXITED: Final = re.compile(r"exited: (\S+) \((?:exit status (\d+)|terminated by (\w+))")
_SPAWNED: Final = re.compile(r"spawned: '(.+)' with pid (\d+)")
_STOPPED: Final = re.compile(r"stopped: (\S+) \(")


def parse_log(text: str) -> ProcessEvents:
    """Read supervisor's own sentences; lines it may add are passed over."""
    ends, starts = [], []
    for line in text.splitlines():
        if found := _EXITED.search(line):
            status = int(found[2]) if found[2] else None
            ends.append(ProcessEnd(found[1], status, found[3]))
        elif found := _SPAWNED.search(line):
            starts.append(ProcessStart(found[1], found[2]))
    return ProcessEvents(tuple(ends), tuple(starts))


def restarts(text: str) -> dict[str, int]:
    """How often each process was started again, by name.

    The first start of a process is not a restart, nor is one that an operator or `up` asked for:
    those follow a `stopped:` line.
    """
    counts: dict[str, int] = {}
    expected: set[str] = set()
    for line in text.splitlines():
        if found := _STOPPED.search(line):
            expected.add(found[1])
        elif found := _SPAWNED.search(line):
            name = found[1]
            if name not in counts or name in expected:
                counts.setdefault(name, 0)
                expected.discard(name)
            else:
                counts[name] += 1
    return counts


def last_end(text: str, name: str) -> str:
    """How a process last ended, in the daemon's words, e.g. `exit status 2`; empty if it did not.

    The daemon forgets the status of a process that ends too quickly, but it writes it down.
    """
    ends = re.findall(rf"exited: {re.escape(name)} \(([^;)]+)", text)
    return ends[-1] if ends else ""
