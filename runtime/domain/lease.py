"""A lease: whose calls these are, for how long."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Lease:
    """Whose attempts these are: a name that survives restarts and an incarnation that does not.

    Attributes:
        seconds: on the environment clock, from the claim.
    """

    owner: str
    incarnation: UUID
    seconds: float
