"""Why a table of the schema is not there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Absence:
    """The reason, for a person; `chosen` when this stack has no such ledger, or nobody gave it."""

    reason: str
    chosen: bool
