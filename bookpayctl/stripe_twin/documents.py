"""JSON as the twin reads and writes it: one encoder, one decoder, one type."""

from collections.abc import Mapping
from typing import TypeAlias, cast

import orjson

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


class NotAnObjectError(ValueError):
    """The text is JSON, but not an object."""


def encode(document: Mapping[str, object] | list[Json]) -> str:
    """Write a document on one line, as the ledger stores it and the API answers it."""
    return orjson.dumps(document).decode()


def encode_on_lines(document: Mapping[str, object]) -> str:
    """Write a document the way webhooks carry it: a line for each member, as Stripe does.

    It matters: a receiver that parses and re-serialises before it checks the signature would pass
    with compact JSON and fail with Stripe's.
    """
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def decode(text: str | bytes) -> Json:
    """Read a document; raises ValueError when it is not JSON."""
    # orjson is strict: NaN, and bytes that are no UTF-8, are errors and not values.
    return cast(Json, orjson.loads(text))


def decode_object(text: str | bytes) -> dict[str, Json]:
    """Read a document that must be a JSON object; raises ValueError otherwise."""
    document = decode(text)
    if not isinstance(document, dict):
        raise NotAnObjectError("expected a JSON object")
    return document
