"""Values in Avro as a registry's serializers write them: a zero, the schema's number, the fields.

What cannot be read is a value with its reason, and never a guess: a schema that is not the
writer's would give other fields the same bytes.

Source:
    Confluent documentation, "Wire format"; Avro specification, "Binary encoding".
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from bookpayctl.clients.schema_registry import SchemaRegistry
from bookpayctl.judge.readers.registered import HEAD_BYTES, UnreadableValue, schema_number

# What fastavro raises for bytes that are not of the schema, or a schema that is none.
_SPOILT: Final = (
    *(EOFError, ValueError, LookupError, TypeError, OverflowError, MemoryError),
    *(struct.error, ArithmeticError),
)


class AvroReader:
    """Reads values with the schemas that wrote them."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._readers: dict[int, Callable[[io.BytesIO], Any] | UnreadableValue] = {}

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
        if number not in self._readers:
            self._readers[number] = self._reader_of(number)
        reader = self._readers[number]
        if isinstance(reader, UnreadableValue):
            return reader
        rest = io.BytesIO(value[HEAD_BYTES:])
        try:
            found = reader(rest)
        except _SPOILT as error:
            return UnreadableValue(f"its bytes are not of schema {number}: {type(error).__name__}")
        if rest.read(1):
            return UnreadableValue(f"its bytes are not of schema {number}: some are left over")
        return _plain(found)

    def _reader_of(self, number: int) -> Callable[[io.BytesIO], Any] | UnreadableValue:
        answer = self._registry.schema(number)
        if answer is None:
            return UnreadableValue(f"schema {number} is not in the registry")
        kind = answer.get("schemaType", "AVRO")
        if kind != "AVRO":
            return UnreadableValue(f"schema {number} is {kind}, not Avro")
        if answer.get("references"):
            return UnreadableValue(f"schema {number} refers to others, which are not read")
        # Not with the module: whoever reads JSON alone does not wait for it.
        from fastavro import parse_schema, schemaless_reader
        from fastavro.schema import SchemaParseException, UnknownType

        try:
            schema = parse_schema(json.loads(answer["schema"]))
        except (SchemaParseException, UnknownType, *_SPOILT) as error:
            return UnreadableValue(f"schema {number} is no schema: {type(error).__name__}")
        return lambda rest: schemaless_reader(rest, schema, None)


def _plain(value: Any) -> Any:
    """As JSON would have it, where a path may lead: an id is a text."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, UUID) else value
