"""One run of the tool on disk: its journal, its probes, and what it still has to undo.

A run that disturbs a system writes down how to put it back before it touches anything. Undo
entries are data (`op` and arguments), never code; an entry is closed by a second line. A run with
an open entry and no living driver was killed: `recover` finishes it, and until then nothing that
would judge or disturb the system starts, because its answer would be about the wreckage.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bookpayctl.runs.files import write_atomically

RUN_FILE: Final = "run.json"
JOURNAL_FILE: Final = "journal.jsonl"
UNDO_FILE: Final = "undo.jsonl"
PROBES_FILE: Final = "probes.jsonl"
HISTORY_FILE: Final = "history.jsonl"
REPORT_FILE: Final = "report.json"

PREVIOUS: Final = "previous"
"""Field of a journal's line: the SHA-256 of the line before it."""

FIRST: Final = "0" * 64
"""What the first line of a journal has there."""

PROBE_KINDS: Final = ("client_key", "event", "stripe_event")


@dataclass(frozen=True, slots=True)
class UndoEntry:
    """One thing to put back: what to do and with which arguments; `done` when it was."""

    number: int
    op: str
    arguments: dict[str, str]
    done: bool


@dataclass(frozen=True, slots=True)
class Unrecovered:
    """A run with undo entries left open; `driver_alive` when its process still works on it."""

    run_id: str
    path: Path
    kind: str
    pending: tuple[UndoEntry, ...]
    driver_alive: bool


class Run:
    """The folder of one run; every line is on disk before the call returns."""

    def __init__(self, path: Path, run_id: str, kind: str) -> None:
        self.path = path
        self.run_id = run_id
        self.kind = kind
        self._undo_number = len(read_undo(path))
        self._journal_end: str | None = None
        self._writing = threading.Lock()

    @property
    def history_path(self) -> Path:
        return self.path / HISTORY_FILE

    def journal(self, event: str, **facts: Any) -> None:
        """Append one line of what happened, with the wall clock.

        Each line carries the SHA-256 of the one before it, so that none can be changed, taken out
        or put in afterwards without all that follow.
        """
        path = self.path / JOURNAL_FILE
        with self._writing:
            if self._journal_end is None:
                self._journal_end = _end_of(path)
            line = {"at": now(), "event": event, **facts, PREVIOUS: self._journal_end}
            self._journal_end = _sha256(_append(path, line))

    def probe(self, kind: str, identifier: str) -> None:
        """Register something this run makes, before it is made, so that no audit judges it."""
        if kind not in PROBE_KINDS:
            raise ValueError(f"a probe is one of {', '.join(PROBE_KINDS)}, not {kind!r}")
        _append(self.path / PROBES_FILE, {"kind": kind, "id": identifier})

    def promise_undo(self, op: str, **arguments: str) -> UndoEntry:
        """Write down how to put back what is about to be done.

        Raises:
            OSError: it could not be made durable; then the fault must not be injected.
        """
        self._undo_number += 1
        entry = UndoEntry(self._undo_number, op, arguments, done=False)
        _append(self.path / UNDO_FILE, {"number": entry.number, "op": op, "arguments": arguments})
        return entry

    def undone(self, entry: UndoEntry) -> None:
        """Close an entry: the system was seen to be as before."""
        _append(self.path / UNDO_FILE, {"number": entry.number, "done": True})

    def keep_report(self, document: str) -> Path:
        """Store the final document beside the evidence; atomic."""
        return write_atomically(self.path / REPORT_FILE, document)


def begin(runs_dir: Path, kind: str) -> Run:
    """Make the folder of a new run; its name sorts by time."""
    run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{kind}-{secrets.token_hex(2)}"
    path = runs_dir / run_id
    path.mkdir(parents=True)
    document = {"run_id": run_id, "kind": kind, "began_at": now(), **_driver()}
    write_atomically(path / RUN_FILE, json.dumps(document, indent=2))
    return Run(path, run_id, kind)


def resume(path: Path) -> Run:
    """Open an existing run, to finish what it left undone."""
    document = json.loads((path / RUN_FILE).read_text())
    return Run(path, document["run_id"], document["kind"])


def read_undo(path: Path) -> list[UndoEntry]:
    """Undo entries of a run in the order they were promised."""
    entries: dict[int, UndoEntry] = {}
    for line in read_lines(path / UNDO_FILE):
        number = int(line["number"])
        if line.get("done"):
            open_entry = entries[number]
            entries[number] = UndoEntry(number, open_entry.op, open_entry.arguments, done=True)
        else:
            entries[number] = UndoEntry(number, line["op"], line["arguments"], done=False)
    return list(entries.values())


def unrecovered(runs_dir: Path) -> list[Unrecovered]:
    """Runs that still have something to put back, oldest first."""
    found = []
    for path in sorted(runs_dir.iterdir()) if runs_dir.is_dir() else []:
        pending = tuple(entry for entry in read_undo(path) if not entry.done)
        if not pending:
            continue
        document = json.loads((path / RUN_FILE).read_text())
        found.append(
            Unrecovered(path.name, path, document["kind"], pending, driver_lives(document))
        )
    return found


def is_dead(runs_dir: Path, run_id: str) -> bool:
    """Whether a run began here and its process is no more; False for one of somewhere else."""
    file = runs_dir / run_id / RUN_FILE
    return bool(run_id) and file.is_file() and not driver_lives(json.loads(file.read_text()))


def broken_links(path: Path) -> list[str]:
    """Where a journal is not the one that was written, one sentence each; empty when it is.

    A last line that a crash cut short was never promised and breaks nothing.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    found = []
    previous = FIRST
    for number, line in enumerate(_whole_lines(path.read_bytes()), start=1):
        try:
            said = json.loads(line)[PREVIOUS]
        except (ValueError, KeyError, TypeError):
            said = None
        if said != previous:
            found.append(f"line {number} does not follow the one before it")
        previous = _sha256(line)
    return found


def _end_of(path: Path) -> str:
    """The SHA-256 of a journal's last whole line."""
    lines = _whole_lines(path.read_bytes()) if path.exists() else []
    return _sha256(lines[-1]) if lines else FIRST


def _whole_lines(text: bytes) -> list[bytes]:
    return text[: text.rfind(b"\n") + 1].splitlines()


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _append(path: Path, line: dict[str, Any]) -> bytes:
    """Write a line, durably; returns it without its end."""
    written = json.dumps(line, separators=(",", ":"), default=str).encode()
    with path.open("ab") as file:
        file.write(written + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return written


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Whole lines of a journal; a last one cut short by a crash was never promised."""
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    for line in text[: text.rfind("\n") + 1].splitlines():
        yield json.loads(line)


def _driver() -> dict[str, Any]:
    import psutil

    return {"pid": os.getpid(), "pid_began_at": psutil.Process().create_time()}


def driver_lives(document: dict[str, Any]) -> bool:
    """Whether the very process that began the run lives; a reused pid is not it.

    Raises:
        KeyError, TypeError, ValueError: the document is not the one of a run.
    """
    import psutil

    try:
        began_at = psutil.Process(int(document["pid"])).create_time()
    except psutil.NoSuchProcess:
        return False
    return bool(abs(began_at - float(document["pid_began_at"])) < 1.0)


def now() -> str:
    """The wall clock, UTC, in milliseconds, as every journal writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
