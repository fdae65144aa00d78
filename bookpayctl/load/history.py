"""The client history: what each client call was, and how its client saw it end.

One JSON line before a call is sent and one after its answer, each flushed before going on, so that
a killed driver leaves the truth behind: a call with no second line ended unknown. A time-out, a
reset and a 5xx are unknown too. Only an answer that says "refused, nothing was done" is a fail.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from bookpayctl.clients.orders_api import CallEnd, Outcome
from bookpayctl.judge.rows import ClientOperation, History

VERSION: Final = 1


class HistoryError(ValueError):
    """The file is not a history, or of a version this judge does not know."""


@dataclass(frozen=True, slots=True)
class TimedCall:
    """One call that ended: how, and after how long; `status` None when no answer came.

    Attributes:
        sent_at: wall-clock seconds since the epoch.
    """

    key: str
    outcome: Outcome
    status: int | None
    code: str | None
    seconds: float
    sent_at: float
    retry_after: str | None = None


class HistoryFile:
    """Appends one run's calls to a file; safe to share between the threads of one process."""

    def __init__(self, path: Path, *, run_id: str, tenant_id: str, key_prefix: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8")
        self._write(
            {
                "type": "begin",
                "version": VERSION,
                "run_id": run_id,
                "tenant_id": tenant_id,
                "key_prefix": key_prefix,
            }
        )

    def invoked(self, client_key: str, *, at: float, kind: str) -> None:
        """Record that the call is about to be sent; `at` is wall-clock seconds since the epoch."""
        self._write({"type": "invoke", "key": client_key, "at": at, "kind": kind})

    def ended(self, client_key: str, end: CallEnd, *, at: float, seconds: float) -> None:
        """Record how the call ended."""
        self._write(
            {
                "type": end.outcome.value,
                "key": client_key,
                "at": at,
                "seconds": round(seconds, 6),
                "status": end.status,
                "order_id": end.order_id,
                "amount_cents": end.amount_cents,
                "code": end.code,
                "retry_after": end.retry_after,
            }
        )

    def close(self) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._file.flush()


def read_history(lines: Iterable[str]) -> History:
    """Fold a history file into one operation per invocation.

    A last line cut short by a crash is left out; the call it would have ended stays unknown.

    Raises:
        HistoryError: there is no begin line of a known version, or a line in the middle is broken.
    """
    begin: dict[str, Any] | None = None
    last: dict[str, ClientOperation] = {}
    for entry in _parsed(list(lines)):
        if entry["type"] == "begin":
            begin = begin or entry
        elif entry["type"] == "invoke":
            last[entry["key"]] = ClientOperation(entry["key"], Outcome.UNKNOWN.value, None, None)
        else:
            last[entry["key"]] = ClientOperation(
                entry["key"],
                Outcome(entry["type"]).value,
                entry.get("order_id"),
                entry.get("amount_cents"),
            )
    if begin is None or begin.get("version") != VERSION:
        raise HistoryError(f"not a client history of version {VERSION}: no such begin line")
    return History(begin["tenant_id"], begin["key_prefix"], tuple(last.values()))


def calls_between(lines: Iterable[str], begin: float, end: float) -> list[TimedCall]:
    """The ended calls of a history that were sent between two times, wall-clock seconds.

    Raises:
        HistoryError: a line in the middle is broken.
    """
    sent_at: dict[str, float] = {}
    calls = []
    for entry in _parsed(list(lines)):
        key = entry.get("key", "")
        if entry["type"] == "invoke":
            sent_at[key] = entry["at"]
        elif begin <= sent_at.get(key, -1.0) <= end:
            sent, outcome = sent_at[key], Outcome(entry["type"])
            calls.append(
                TimedCall(
                    *(key, outcome, entry["status"], entry["code"], entry["at"] - sent, sent),
                    # A history of an earlier version does not say.
                    retry_after=entry.get("retry_after"),
                )
            )
    return calls


def _parsed(lines: list[str]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise HistoryError(f"line {number} of the history is not JSON: {error}") from error
    return entries
