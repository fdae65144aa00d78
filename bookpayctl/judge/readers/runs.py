"""What runs of this tool registered as their own doing, read from their folders."""

from __future__ import annotations

from pathlib import Path

from bookpayctl.judge.invariants.facts import Excluded
from bookpayctl.runs import directory


def excluded(runs_dir: Path) -> Excluded:
    """Every id any run of this environment registered as its own doing."""
    found: dict[str, set[str]] = {kind: set() for kind in directory.PROBE_KINDS}
    for path in runs_dir.iterdir() if runs_dir.is_dir() else []:
        for line in directory.read_lines(path / directory.PROBES_FILE):
            found[line["kind"]].add(line["id"])
    return Excluded(
        frozenset(found["client_key"]),
        frozenset(found["event"]),
        frozenset(found["stripe_event"]),
    )
