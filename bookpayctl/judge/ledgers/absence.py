"""Why a table of the schema is not there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Absence:
    """The reason, for a person; `chosen` when this stack has no such ledger, or nobody gave it."""

    reason: str
    chosen: bool


def missing(names: Iterable[str], reason: str) -> dict[str, Absence]:
    """Tables that should be there and are not, for one reason."""
    return {name: Absence(reason, chosen=False) for name in names}
