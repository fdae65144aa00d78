"""JSON as the twin reads and writes it: one encoder, one decoder, one type."""

import json
from collections.abc import Mapping
from typing import TypeAlias, cast

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


class NotAnObjectError(ValueError):
    """The text is JSON, but not an object."""


# One configured encoder: json.dumps builds a new one for each call that is not all defaults.
_ON_LINES = json.JSONEncoder(separators=(",\n  ", ": "), ensure_ascii=True).encode
_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


def encode(document: Mapping[str, object] | list[Json]) -> str:
    """Write a document on one line, as the ledger stores it and the API answers it."""
    return _COMPACT(document)


def encode_on_lines(document: Mapping[str, object]) -> str:
    """Write a document the way webhooks carry it: a line for each member, as Stripe does.

    It matters: a receiver that parses and re-serialises before it checks the signature would pass
    with compact JSON and fail with Stripe's. Nested members are not indented further, because
    only the encoder without `indent` is the fast one, and thousands of events go out per second.
    """
    return _ON_LINES(document)


def decode(text: str | bytes) -> Json:
    """Read a document; raises ValueError when it is not JSON."""
    return cast(Json, json.loads(text))


def decode_object(text: str | bytes) -> dict[str, Json]:
    """Read a document that must be a JSON object; raises ValueError otherwise."""
    document = decode(text)
    if not isinstance(document, dict):
        raise NotAnObjectError("expected a JSON object")
    return document
