"""What runs of this tool did on purpose, read from their folders: probes, and faults with proof."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bookpayctl.judge.ledgers.sink import Value
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.runs import directory

# Lines of a run's journal that tell of a fault, by how they name it.
FAULT_NAMES: Final = ("fault", "point", "op", "target", "process", "service", "node")


def read_runs(runs_dir: Path, ledgers: LedgerWriter) -> None:
    """Read the probes and the journals of every run of this environment.

    Raises:
        StoreError: what was read could not be kept.
    """
    with ledgers.sink("probes") as probes, ledgers.sink("faults") as faults:
        for folder in sorted(runs_dir.iterdir()) if runs_dir.is_dir() else []:
            for line in directory.read_lines(folder / directory.PROBES_FILE):
                probes.put({"kind": line["kind"], "id": line["id"]})
            for row in _faults(folder):
                faults.put(row)
    ledgers.keep(probes, faults)


def _faults(folder: Path) -> Iterator[dict[str, Value]]:
    for line in directory.read_lines(folder / directory.JOURNAL_FILE):
        named = next((str(line[name]) for name in FAULT_NAMES if name in line), None)
        if named is not None:
            yield {
                "run_id": folder.name,
                "happened_at": _time(line),
                "event": str(line.get("event", "")),
                "fault": named,
                "topic": line.get("topic"),
                "partition_number": line.get("partition"),
                "record_offset": line.get("offset"),
                "event_id": line.get("event_id"),
                "detail": json.dumps(line, sort_keys=True),
            }


def _time(line: dict[str, Any]) -> Value:
    try:
        return datetime.fromisoformat(str(line.get("at")))
    except ValueError:
        return str(line.get("at"))
