"""The recording tap as evidence: what our gateway said to Stripe, and what came back.

It is a witness of our own, not Stripe's: it shows every request that went out, and nothing of what
others did at Stripe. Rows have the names that the twin's journal has, so that both read alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bookpayctl.clients.stripe_api import StripeReadError

UNHASHED: Final = "(not hashed)"
"""Of a body that held what is not kept; two of them cannot be told apart."""

CREATED_AND_DECLINED: Final = 402


def read_tap(journal: Path) -> list[dict[str, Any]]:
    """Every request that went through, oldest first, with its answer if one came.

    Raises:
        StripeReadError: there is no journal, or it cannot be read.
    """
    asked: dict[int, dict[str, Any]] = {}
    rows = []
    for line in _lines(journal):
        number = line.get("n")
        if line.get("event") == "request" and isinstance(number, int):
            # Numbers begin again with the process; then what the last one left open stays open.
            asked[number] = _row(line)
            rows.append(asked[number])
        elif line.get("event") == "answer" and number in asked:
            asked.pop(number).update(_answer(line))
    return rows


def is_executed(row: dict[str, Any]) -> bool:
    """Whether Stripe may have acted on it: it said so, or nobody knows what it said."""
    status = row["status"]
    if status is None:
        return True
    return not row["replayed"] and (status < 300 or status == CREATED_AND_DECLINED)


def _lines(journal: Path) -> Iterator[dict[str, Any]]:
    try:
        with journal.open(encoding="utf-8", errors="replace") as lines:
            for text in lines:
                line = _parsed(text)
                if line is not None:
                    yield line
    except OSError as error:
        raise StripeReadError(f"the recording tap's journal cannot be read: {error}") from error


def _parsed(text: str) -> dict[str, Any] | None:
    """The line as an object; a power cut may leave half of one, which is no evidence."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _row(line: dict[str, Any]) -> dict[str, Any]:
    params = line.get("params") or {}
    return {
        "at": line.get("at"),
        "method": line.get("method"),
        "path": line.get("path"),
        "idempotency_key": line.get("idempotency_key"),
        "body_sha256": line.get("body_sha256") or UNHASHED,
        "env": params.get("metadata[env]"),
        "event_id": params.get("metadata[event_id]"),
        **_answer({}),
    }


def _answer(line: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": line.get("status"),
        "request_id": line.get("request_id"),
        "replayed": bool(line.get("replayed")),
        "object_id": line.get("object_id"),
    }
