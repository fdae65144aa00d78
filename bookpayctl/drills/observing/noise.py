"""How loud the services were about a fault: an outage is said once, not once a second."""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import DrillContext
from bookpayctl.report.verdict import Item
from bookpayctl.targets.target import Mark

# One outage is a handful of lines per process: gone, perhaps its consequences, back again.
LOUD_LINES_MAX: Final = 25


def said_once(context: DrillContext, since: Mark, *, noticed: bool) -> Item:
    """The warnings of every service since a mark; at least one in all, when it can be noticed."""
    processes = context.target.processes().values()
    names = [process.name for process in processes if not process.is_server]
    loud = {name: _loud_lines(context.target.log_since(name, since)) for name in names}
    loudest, said = max(names, key=loud.__getitem__), sum(loud.values())
    due = 1 if noticed else 0
    return context.judged(
        "logs-say-it-once",
        "the logs say it once",
        f"at least {due} warnings in all, at most {LOUD_LINES_MAX} per process",
        f"loudest {loudest} with {loud[loudest]}, {said} in all",
        good=said >= due and loud[loudest] <= LOUD_LINES_MAX,
        examined=len(names),
        fix=f"bookpayctl logs {loudest}",
    )


def _loud_lines(lines: list[str]) -> int:
    """Lines above INFO, and lines that are no JSON at all."""
    return sum('"level": "INFO"' not in line for line in lines if line.strip())
