"""Values that name the schema which wrote them: a zero, its number in a registry, and the fields.

Source:
    Confluent documentation, "Wire format".
"""

from __future__ import annotations

import io
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from bookpayctl.clients.schema_registry import SchemaRegistry

S = TypeVar("S")

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


class UnreadError(ValueError):
    """Why the bytes of a value, or a schema, cannot be read."""


class RegisteredReader(ABC, Generic[S]):
    """Reads values with the schemas that wrote them; each schema is asked for once."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._schemas: dict[int, S | UnreadableValue] = {}

    def read(self, value: bytes | None) -> Any:
        """The value's fields; None for a record without a value, UnreadableValue for another.

        Raises:
            RegistryError: the registry does not say what the schema is.
        """
        if value is None:
            return None
        number = schema_number(value)
        if isinstance(number, UnreadableValue):
            return number
        if number not in self._schemas:
            self._schemas[number] = self._schema_of(number)
        schema = self._schemas[number]
        if isinstance(schema, UnreadableValue):
            return schema
        try:
            return self._fields_of(schema, io.BytesIO(value[HEAD_BYTES:]))
        except UnreadError as error:
            return UnreadableValue(f"its bytes are not of schema {number}: {error}")

    @abstractmethod
    def _schema_of(self, number: int) -> S | UnreadableValue:
        """What reads values of this schema.

        Raises:
            RegistryError: as above.
        """

    @abstractmethod
    def _fields_of(self, schema: S, rest: io.BytesIO) -> Any:
        """The fields behind a value's head, as JSON would have them.

        Raises:
            UnreadError: they are not of this schema.
        """
