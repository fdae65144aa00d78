"""What the image is made of, one thing each: a wheel, a jar. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Material:
    """One thing of others that came into the image unchanged.

    Attributes:
        kind: `pypi` or `maven`, as package URLs call where names are from.
        group: a jar's group; empty for a wheel.
        file: the name of the file it came in.
        sha256: of that file, in hex.
    """

    kind: str
    group: str
    name: str
    version: str
    file: str
    sha256: str

    def as_record(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Raises: TypeError for a record of another form."""
        return cls(**record)
