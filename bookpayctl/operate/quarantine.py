"""Webhooks that were set aside, as an operator looks at them: why, since when, which event."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from bookpayctl.clients.database import Connection, rows_of

_NEWEST: Final[LiteralString] = """
    SELECT id, received_at,
           extract(epoch FROM clock_timestamp() - received_at)::float8 AS age_seconds,
           reason, body, headers, released_at
    FROM webhook_quarantine
    WHERE released_at IS NULL OR %(released)s ORDER BY id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """One webhook; `body` is as it came, which may be anything that was signed."""

    id: int
    received_at: datetime
    age_seconds: float
    reason: str
    body: bytes
    headers: dict[str, str]
    released_at: datetime | None

    def named(self) -> dict[str, str]:
        """Id and type as the body says them; what is no text, or cannot be printed, is left out."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        if not isinstance(document, dict):
            return {}
        named = {name: document.get(name) for name in ("id", "type")}
        return {
            name: value
            for name, value in named.items()
            if isinstance(value, str) and value.isprintable()
        }


def newest_quarantined(conn: Connection, *, released: bool, limit: int) -> list[QuarantineEntry]:
    """The newest first; with `released` also those that were let go."""
    return rows_of(conn, QuarantineEntry, _NEWEST, {"released": released, "limit": limit})
