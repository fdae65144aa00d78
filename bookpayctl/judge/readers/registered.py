"""Values that name the schema which wrote them: a zero, its number in a registry, and the fields.

Source:
    Confluent documentation, "Wire format".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 5
_MAGIC: Final = 0


@dataclass(frozen=True, slots=True)
class UnreadableValue:
    """A value that is there and says nothing to us; the reason is the same for all of its kind."""

    reason: str


def schema_number(value: bytes) -> int | UnreadableValue:
    """Which schema wrote it; its fields begin after HEAD_BYTES."""
    if len(value) < HEAD_BYTES or value[0] != _MAGIC:
        return UnreadableValue("it does not begin with a zero and a schema's number")
    (number,) = struct.unpack_from(">i", value, 1)
    return int(number)
