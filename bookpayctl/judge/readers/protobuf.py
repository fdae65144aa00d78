"""Values in Protobuf as a registry's serializers write them: which message it is, its fields.

The registry gives a schema as a descriptor, so no compiler is needed. What cannot be read is a
value with its reason, and never a guess: fields that the schema does not have are as wrong as bytes
that lack, for Protobuf reads almost anything by almost any schema.

Source:
    Confluent documentation, "Wire format" (message indexes); Protocol Buffers documentation,
    "Encoding" and "Field Presence".
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from bookpayctl.judge.readers.registered import RegisteredReader, UnreadableValue, UnreadError

PROTOBUF: Final = "PROTOBUF"

# Imports that every compiler brings, and that a registry therefore does not keep.
_WELL_KNOWN: Final = {
    module.DESCRIPTOR.name: module.DESCRIPTOR.serialized_pb
    for module in (
        *(any_pb2, descriptor_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2),
        *(timestamp_pb2, wrappers_pb2),
    )
}

# A message within a message within one: no schema goes deeper, and a wrong byte may say anything.
_INDEXES_MAX: Final = 100

_VARINT_BYTES_MAX: Final = 5


class ProtobufReader(RegisteredReader["_Schema"]):
    """Reads values with the schemas that wrote them.

    A field that can be left out and was is not there; one that cannot has its default, which is how
    that value is written.
    """

    def _fields_of(self, schema: _Schema, rest: io.BytesIO) -> Any:
        try:
            message = schema.message(_indexes(rest))
            message.ParseFromString(rest.read())
        except DecodeError as error:
            raise UnreadError(type(error).__name__) from error
        if not message.IsInitialized():
            raise UnreadError("a required field is missing")
        return _fields(message)

    def _schema_of(self, number: int) -> _Schema | UnreadableValue:
        answer = self._registry.descriptor(number)
        if answer is None:
            return UnreadableValue(f"schema {number} is not in the registry")
        kind = answer.get("schemaType", "AVRO")
        if kind != PROTOBUF:
            return UnreadableValue(f"schema {number} is {kind}, not Protobuf")
        try:
            files: dict[str, FileDescriptorProto] = {}
            self._collect(f"schema-{number}.proto", answer, files)
            return _Schema(f"schema-{number}.proto", files)
        # The pool refuses with a TypeError what it cannot put together.
        except (UnreadError, DecodeError, TypeError, KeyError) as error:
            why = error if isinstance(error, UnreadError) else type(error).__name__
            return UnreadableValue(f"schema {number} is no schema: {why}")

    def _collect(
        self, name: str, answer: Mapping[str, Any], files: dict[str, FileDescriptorProto]
    ) -> None:
        """A schema and what it refers to, each before who imports it."""
        for reference in answer.get("references") or ():
            imported = str(reference["name"])
            if imported in files or imported in _WELL_KNOWN:
                continue
            subject, version = str(reference["subject"]), int(reference["version"])
            found = self._registry.version_descriptor(subject, version)
            if found is None:
                raise UnreadError(f"it imports {imported}, which is not in the registry")
            self._collect(imported, found, files)
        try:
            written = base64.b64decode(str(answer["schema"]), validate=True)
        except ValueError:
            raise UnreadError("the registry gives text for it, not a descriptor") from None
        file = FileDescriptorProto.FromString(written)
        # A registry may have no name for it, or the same one for all.
        file.name = name
        files[name] = file


class _Schema:
    """A file of messages, and its imports."""

    def __init__(self, name: str, files: Mapping[str, FileDescriptorProto]) -> None:
        self._file = files[name]
        self._pool = DescriptorPool()
        for known in _WELL_KNOWN.values():
            self._pool.AddSerializedFile(known)
        for file in files.values():
            lacking = set(file.dependency) - set(files) - set(_WELL_KNOWN)
            if lacking:
                raise UnreadError(f"it imports {min(lacking)}, to which it does not refer")
            self._pool.Add(file)
        # Found at once, so that a schema that cannot be put together is not blamed on its values.
        self._pool.FindFileByName(name)
        self._classes: dict[tuple[int, ...], type[Message]] = {}

    def message(self, indexes: tuple[int, ...]) -> Message:
        """An empty message: the one at this place of the file, or within the one there."""
        if indexes not in self._classes:
            name = self._name_of(indexes)
            self._classes[indexes] = GetMessageClass(self._pool.FindMessageTypeByName(name))
        return self._classes[indexes]()

    def _name_of(self, indexes: tuple[int, ...]) -> str:
        names = [self._file.package] if self._file.package else []
        inner: Any = self._file.message_type
        for index in indexes:
            if not 0 <= index < len(inner):
                raise UnreadError("it names a message that the schema does not have")
            found: DescriptorProto = inner[index]
            names.append(found.name)
            inner = found.nested_type
        return ".".join(names)


def _indexes(rest: io.BytesIO) -> tuple[int, ...]:
    """Which message it is: its place in the file, then in each message; a zero for the first."""
    count = _number(rest)
    if count == 0:
        return (0,)
    if not 0 < count <= _INDEXES_MAX:
        raise UnreadError("it does not say which message it is")
    return tuple(_number(rest) for _ in range(count))


def _number(rest: io.BytesIO) -> int:
    """A variable-length, zigzag-encoded number."""
    found = 0
    for place in range(_VARINT_BYTES_MAX):
        byte = rest.read(1)
        if not byte:
            break
        found |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return (found >> 1) ^ -(found & 1)
    raise UnreadError("it does not say which message it is")


def _fields(message: Message) -> dict[str, Any]:
    """As JSON would have it, by the names of the schema, where a path may lead."""
    if len(UnknownFieldSet(message)):
        raise UnreadError("it has fields that the schema does not have")
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: FieldDescriptor, value: Any) -> Any:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        of_entry = inner.fields_by_name["value"]
        return {str(key): _one(of_entry, value[key]) for key in value}
    if field.is_repeated:
        return [_one(field, one) for one in value]
    return _one(field, value)


def _one(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _fields(value)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    return value
