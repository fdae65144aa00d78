"""What can be known of the webhooks' signing secrets without showing one: how many, since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """The secrets that the receiver accepts now.

    Attributes:
        count: how many; more than one while they are rotated.
        changed_at: when they were last written where the receiver reads them, aware; None where
            nobody knows. The secret itself may be older: it may have been copied there.
        place: where that is, for a person.
    """

    count: int
    changed_at: datetime | None
    place: str


def accepted(text: str) -> int:
    """How many secrets a file holds, one a line or comma-separated, as the receiver reads it."""
    return sum(1 for line in text.splitlines() for part in line.split(",") if part.strip())


def written_at(secret: Document, key: str) -> datetime | None:
    """When somebody last wrote a key of a Secret, as the API server keeps it.

    It notes for each writer when its fields last changed; writing the same value changes nothing.
    None without such notes: the creation says nothing of what was edited since.
    """
    meta = secret["metadata"]
    writers: Sequence[Document] = meta.get("managedFields") or ()
    times = [
        datetime.fromisoformat(writer["time"])
        for writer in writers
        if "time" in writer and f"f:{key}" in (writer.get("fieldsV1") or {}).get("f:data", {})
    ]
    return max(times, default=None)
