"""An outbox row as a Kafka message: topic, key, value and headers, pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast
from uuid import UUID

from runtime.adapters.store.outbox import OutboxRow
from runtime.domain.event import (
    HEADER_BYTES_MAX,
    RECORD_BYTES_MAX,
    Json,
    root_of_event,
)
from runtime.domain.names import TOPIC_OF_EVENT_TYPE, EventId, Header, Topic

KINDS_MAX: Final = 1_000
"""How many kinds of rows have their common headers kept; texts written by hand are endless."""

_UTF8_BYTES_MAX: Final = 4
_CANONICAL: Final = re.compile(
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
).fullmatch

# An enum's value is looked up through a descriptor each time.
_EVENT_ID: Final = Header.EVENT_ID.value
_AGGREGATE_ID: Final = Header.AGGREGATE_ID.value
_CREATED_AT: Final = Header.CREATED_AT.value
_TRACEPARENT: Final = Header.TRACEPARENT.value

# Two ids and a time in their one form; of a row's own headers only the aggregate's id varies.
_OWN_BYTES: Final = 36 + len("2026-03-01T12:00:00.000000+00:00") + 55


Headers = list[tuple[str, str | bytes | None]]


class KafkaMessage(NamedTuple):
    """What the producer is given; the key is the root event id, so one order's events share it.

    Texts, which the client encodes as UTF-8 itself.
    """

    topic: Topic
    key: str
    value: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Unpublishable:
    """A row that no retry will ever publish.

    Attributes:
        reason: a fixed word.
        error: what was said of it, for whoever looks at the dead letter.
    """

    reason: str
    error: str = ""


def message_payload(row: OutboxRow) -> Mapping[str, Json]:
    """The payload as an object; one that is something else, or nested too deeply, has no fields."""
    try:
        # Not strictly: a row may be written by hand, and what it says is its reader's to judge.
        payload = json.loads(row.payload or "null")
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, Json]", payload) if isinstance(payload, dict) else {}


@dataclass(frozen=True, slots=True)
class _Shared:
    """What rows of one kind have in common, and what is left of the headers' room."""

    topic: Topic
    headers: Headers
    bytes_left: int


@dataclass(slots=True)
class Envelope:
    """Makes messages of rows, in one term of one publisher.

    What many rows have in common is made once: their topic and five of their nine headers.
    """

    publisher_id: str
    term: int
    _shared: dict[tuple[str, str, str], _Shared] = field(default_factory=dict)

    def to_message(self, row: OutboxRow) -> KafkaMessage | Unpublishable:
        """Build the message of a row, or say why there can be none."""
        kind = (row.event_type, row.aggregate, row.tenant_id)
        shared = self._shared.get(kind) or self._keep(kind)
        if shared is None:
            return Unpublishable("unknown_event_type")
        if row.created_at is None:
            return Unpublishable(
                "created_at_out_of_range", "created_at is not in the years 1 to 9999"
            )
        value = row.payload
        if value is None or _is_longer(value, RECORD_BYTES_MAX):
            return Unpublishable("too_large", f"the payload has more than {RECORD_BYTES_MAX} bytes")
        if _is_longer(row.aggregate_id, shared.bytes_left):
            return Unpublishable(
                "too_large", f"the headers have more than {HEADER_BYTES_MAX} bytes"
            )
        root = _root(row)
        headers: Headers = [
            (_EVENT_ID, row.event_id),
            (_AGGREGATE_ID, row.aggregate_id),
            (_CREATED_AT, row.created_at),
            (_TRACEPARENT, _traceparent(root, row.event_id)),
            *shared.headers,
        ]
        # The payload's own text: parsed and written again it would not have the hash that the
        # outbox row has.
        return KafkaMessage(shared.topic, root, value, headers)

    def _keep(self, kind: tuple[str, str, str]) -> _Shared | None:
        event_type, aggregate, tenant_id = kind
        topic = TOPIC_OF_EVENT_TYPE.get(event_type)
        if topic is None:
            return None
        texts = {
            Header.EVENT_TYPE: event_type,
            Header.AGGREGATE: aggregate,
            Header.TENANT_ID: tenant_id,
            Header.PUBLISHER_ID: self.publisher_id,
            Header.PUBLISHER_TERM: str(self.term),
        }
        taken = _OWN_BYTES + sum(len(text.encode()) for text in texts.values())
        headers: Headers = [(name.value, text) for name, text in texts.items()]
        if len(self._shared) >= KINDS_MAX:
            self._shared.clear()
        kept = self._shared[kind] = _Shared(topic, headers, HEADER_BYTES_MAX - taken)
        return kept


def _is_longer(text: str, bytes_max: int) -> bool:
    """Whether the text has more bytes in UTF-8; mostly its length says so already."""
    return len(text) * _UTF8_BYTES_MAX > bytes_max and len(text.encode()) > bytes_max


def _root(row: OutboxRow) -> str:
    """The row's key. The root that a service has written needs no more than a look at it."""
    root = row.root_event_id
    if root == row.event_id or (root is not None and _CANONICAL(root)):
        return root
    return str(root_of_event(root, EventId(UUID(row.event_id))))


def _traceparent(root: str, event_id: str) -> str:
    """`runtime.domain.event.traceparent` of ids that are texts."""
    return f"00-{root.replace('-', '')}-{event_id[:18].replace('-', '')}-01"
