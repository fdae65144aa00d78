"""An outbox row as a Kafka message: topic, key, value and headers, pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from runtime.adapters.store.outbox import OutboxRow
from runtime.domain.event import (
    HEADER_BYTES_MAX,
    RECORD_BYTES_MAX,
    Json,
    root_of_event,
    traceparent,
)
from runtime.domain.names import TOPIC_OF_EVENT_TYPE, EventId, Header, Topic


@dataclass(frozen=True, slots=True)
class KafkaMessage:
    """What the producer is given; the key is the root event id, so one order's events share it."""

    topic: Topic
    root: EventId
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


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


def to_message(row: OutboxRow, *, publisher_id: str, term: int) -> KafkaMessage | Unpublishable:
    """Build the message of a row, or say why there can be none."""
    topic = TOPIC_OF_EVENT_TYPE.get(row.event_type)
    if topic is None:
        return Unpublishable("unknown_event_type")
    if row.created_at is None:
        return Unpublishable("created_at_out_of_range", "created_at is not in the years 1 to 9999")
    # The payload's own bytes: parsed and written again it would not have the hash that the outbox
    # row has.
    value = None if row.payload is None else row.payload.encode()
    if value is None or len(value) > RECORD_BYTES_MAX:
        return Unpublishable("too_large", f"the payload has more than {RECORD_BYTES_MAX} bytes")
    event_id = EventId(row.event_id)
    root = root_of_event(row.root_event_id, event_id)
    headers = {
        Header.EVENT_ID: str(event_id),
        Header.EVENT_TYPE: row.event_type,
        Header.AGGREGATE: row.aggregate,
        Header.AGGREGATE_ID: row.aggregate_id,
        Header.TENANT_ID: row.tenant_id,
        Header.CREATED_AT: row.created_at,
        Header.PUBLISHER_ID: publisher_id,
        Header.PUBLISHER_TERM: str(term),
        Header.TRACEPARENT: traceparent(root, event_id),
    }
    encoded: list[tuple[str, str | bytes | None]] = []
    room = HEADER_BYTES_MAX
    for name, text in headers.items():
        raw = text.encode()
        room -= len(raw)
        encoded.append((name.value, raw))
    if room < 0:
        return Unpublishable("too_large", f"the headers have more than {HEADER_BYTES_MAX} bytes")
    return KafkaMessage(topic, root, str(root).encode(), value, encoded)
