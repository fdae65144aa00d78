"""A record of Kafka as a line of a file: what is compared of it, and why it is no event. Pure.

Written for millions of records: one pass, no value of its own for each. Whatever bytes a stranger
wrote, there is a line for it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Protocol

import orjson

from runtime.domain.names import TOPIC_OF_EVENT_TYPE, Header

VERSION: Final = 1
"""Of payloads; one that names none is of this version."""

NO_VALUE: Final = "it has no value (a tombstone)"
NO_JSON: Final = "it is no JSON"
NO_OBJECT: Final = "it is no JSON object"
UNKNOWN_VERSION: Final = "its version is unknown"
NO_EVENT_ID: Final = "it names no event"
UNKNOWN_TYPE: Final = "its type is unknown"

REPLAY_HEADER: Final = "replay"
"""On a record that was published again: the run that did so."""

# Taken once: the look-up of an enumeration's value for each record would be felt.
_EVENT_ID, _EVENT_TYPE, _AGGREGATE, _AGGREGATE_ID, _TENANT_ID, _CREATED_AT = (
    header.value
    for header in (
        *(Header.EVENT_ID, Header.EVENT_TYPE, Header.AGGREGATE, Header.AGGREGATE_ID),
        *(Header.TENANT_ID, Header.CREATED_AT),
    )
)
_CAPTURED_ID: Final = "id"
"""What change data capture calls the event's id."""

_TYPES: Final = frozenset(name.encode() for name in TOPIC_OF_EVENT_TYPE)
_AMOUNT_MAX: Final = 2**63

# What some engine takes for the end of a text or of a line.
_ENDS_TEXT: Final = str.maketrans({"\x00": "\ufffd", "\r": "\ufffd"})

COLUMNS: Final = (
    *("topic", "partition_number", "record_offset", "recorded_ms", "record_key", "event_id"),
    *("payload_event_id", "event_type", "aggregate", "aggregate_id", "tenant_id", "created_text"),
    *("replay", "payload_sha256", "order_id", "root_event_id", "amount", "currency"),
    *("payment_intent_id", "problem"),
)
"""In the order of the table `records`."""

Line = tuple[str | int | None, ...]


class RecordLike(Protocol):
    """What the Kafka client gives, and a test writes: one record."""

    def topic(self) -> str | None: ...
    def partition(self) -> int | None: ...
    def offset(self) -> int | None: ...
    def timestamp(self) -> tuple[int, int]: ...
    def key(self) -> Any: ...
    def value(self) -> Any: ...
    def headers(self) -> Any: ...


def line_of(record: RecordLike) -> Line:
    """One record in the order of COLUMNS."""
    raw = record.value()
    headers = dict(record.headers() or ())
    payload, problem = _payload(raw)
    known = payload.get
    own_id = _shown(known("event_id"))
    event_id = _text(headers.get(_EVENT_ID) or headers.get(_CAPTURED_ID)) or own_id
    event_type = headers.get(_EVENT_TYPE)
    if problem is None:
        if event_id is None:
            problem = NO_EVENT_ID
        elif event_type not in _TYPES:
            problem = UNKNOWN_TYPE
    kind, milliseconds = record.timestamp()
    return (
        record.topic(),
        record.partition(),
        record.offset(),
        # The client's word for a record without a time is type 0.
        milliseconds if kind else None,
        _text(record.key()),
        event_id,
        own_id,
        _text(event_type),
        _text(headers.get(_AGGREGATE)),
        _text(headers.get(_AGGREGATE_ID)),
        _text(headers.get(_TENANT_ID)),
        _text(headers.get(_CREATED_AT)),
        _text(headers.get(REPLAY_HEADER)),
        None if raw is None else hashlib.sha256(raw).hexdigest(),
        _shown(known("order_id")),
        _shown(known("root_event_id")) or own_id,
        _whole(known("amount_cents")),
        _shown(known("currency")),
        _shown(known("payment_intent_id")),
        problem,
    )


def _payload(raw: bytes | None) -> tuple[dict[str, Any], str | None]:
    if raw is None:
        return {}, NO_VALUE
    try:
        payload = orjson.loads(raw)
    except ValueError:
        payload = _loosely(raw)
        if payload is None:
            return {}, NO_JSON
    if not isinstance(payload, dict):
        return {}, NO_OBJECT
    if payload.get("version", VERSION) != VERSION:
        return payload, UNKNOWN_VERSION
    return payload, None


def _loosely(raw: bytes) -> Any:
    """What the runtime's reader takes and the quick one does not, such as NaN; None for neither."""
    try:
        return json.loads(raw)
    # A deep enough nesting ends the recursive reader; one record must not end the replay.
    except (ValueError, RecursionError):
        return None


def _text(raw: Any) -> str | None:
    """Bytes as text that any engine holds."""
    if raw is None:
        return None
    try:
        text: str = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode(errors="replace")
    return text if text.isprintable() else text.translate(_ENDS_TEXT)


def _shown(value: Any) -> str | None:
    """Text of a payload; poison may have anything there, and equals nothing of ours."""
    if value.__class__ is not str:
        return None
    if value.isascii() and value.isprintable():
        return str(value)
    return str(value).translate(_ENDS_TEXT).encode(errors="replace").decode()


def _whole(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and abs(value) < _AMOUNT_MAX else None
