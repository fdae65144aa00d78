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

from bookpayctl.judge.readers.registered import RegisteredReader, UnreadableValue, UnreadError

Reader = Callable[[io.BytesIO], Any]

# What fastavro raises for bytes that are not of the schema, or a schema that is none.
_SPOILT: Final = (
    *(EOFError, ValueError, LookupError, TypeError, OverflowError, MemoryError),
    *(struct.error, ArithmeticError),
)


class AvroReader(RegisteredReader[Reader]):
    """Reads values with the schemas that wrote them."""

    def _schema_of(self, number: int) -> Reader | UnreadableValue:
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

    def _fields_of(self, schema: Reader, rest: io.BytesIO) -> Any:
        try:
            found = schema(rest)
        except _SPOILT as error:
            raise UnreadError(type(error).__name__) from error
        if rest.read(1):
            raise UnreadError("some are left over")
        return _plain(found)


def _plain(value: Any) -> Any:
    """As JSON would have it, where a path may lead: an id is a text."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, UUID) else value
