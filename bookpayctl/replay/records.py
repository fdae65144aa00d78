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

# What ends a cell, a line, or for some engine a text.
_ENDS_TEXT: Final = str.maketrans(dict.fromkeys("\x00\n\r\x1f", "\ufffd"))

COLUMNS: Final = (
    *("topic", "partition_number", "record_offset", "recorded_ms", "record_key", "event_id"),
    *("payload_event_id", "event_type", "aggregate", "aggregate_id", "tenant_id", "created_text"),
    *("replay", "payload_sha256", "order_id", "root_event_id", "amount", "currency"),
    *("payment_intent_id", "problem"),
)
"""In the order of the table `records`."""

SEPARATOR: Final = b"\x1f"
"""Between the cells of a line, none of which has it: so nothing needs to be quoted."""

HEAD: Final = SEPARATOR.join(name.encode() for name in COLUMNS)

_INNER: Final = len(COLUMNS) - 1
_JOINED: Final = SEPARATOR.decode().join


class RecordLike(Protocol):
    """What the Kafka client gives, and a test writes: one record."""

    def topic(self) -> str | None: ...
    def partition(self) -> int | None: ...
    def offset(self) -> int | None: ...
    def timestamp(self) -> tuple[int, int]: ...
    def key(self) -> Any: ...
    def value(self) -> Any: ...
    def headers(self) -> Any: ...


def line_of(record: RecordLike) -> bytes:
    """One record as a line without its end: the cells of COLUMNS; empty where there is nothing."""
    raw = record.value()
    headers = dict(record.headers() or ())
    payload, problem = _payload(raw)
    known = payload.get
    own_id = known("event_id")
    if own_id.__class__ is not str:
        own_id = None
    event_id = headers.get(_EVENT_ID) or headers.get(_CAPTURED_ID)
    event_type = headers.get(_EVENT_TYPE)
    if problem is None:
        if not event_id and not own_id:
            problem = NO_EVENT_ID
        elif event_type not in _TYPES:
            problem = UNKNOWN_TYPE
    kind, milliseconds = record.timestamp()
    # The client's word for a record without a time is type 0.
    place = (
        record.topic() or "",
        str(record.partition()),
        str(record.offset()),
        str(milliseconds) if kind else "",
    )
    written = (
        record.key() or b"",
        event_id or _encoded(own_id),
        _encoded(own_id),
        event_type or b"",
        headers.get(_AGGREGATE) or b"",
        headers.get(_AGGREGATE_ID) or b"",
        headers.get(_TENANT_ID) or b"",
        headers.get(_CREATED_AT) or b"",
        headers.get(REPLAY_HEADER) or b"",
    )
    root = known("root_event_id")
    told = (
        "" if raw is None else hashlib.sha256(raw).hexdigest(),
        _shown(known("order_id")),
        _shown(root if root.__class__ is str else own_id),
        _whole(known("amount_cents")),
        _shown(known("currency")),
        _shown(known("payment_intent_id")),
        problem or "",
    )
    line = SEPARATOR.join(
        (_JOINED(place).encode(), *written, _JOINED(told).encode(errors="replace"))
    )
    # Ours are all like this: looked at once for the whole line, and not for each of its cells.
    if line.isascii() and line.count(SEPARATOR) == _INNER and not _ends_early(line):
        return line
    cells = (*place, *(cell.decode(errors="replace") for cell in written), *told)
    return _JOINED(cell.translate(_ENDS_TEXT) for cell in cells).encode(errors="replace")


def cells_of(line: bytes) -> list[str]:
    """The cells of a line, in the order of COLUMNS."""
    return line.decode().split("\x1f")


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


def _encoded(text: str | None) -> bytes:
    return b"" if text is None else text.encode(errors="replace")


def _shown(value: Any) -> str:
    """Text of a payload; poison may have anything there, and equals nothing of ours."""
    return value if value.__class__ is str else ""


def _whole(value: Any) -> str:
    whole = value.__class__ is int and abs(value) < _AMOUNT_MAX
    return str(value) if whole else ""


def _ends_early(line: bytes) -> bool:
    return b"\n" in line or b"\r" in line or b"\x00" in line
