"""W3C trace context, and what an order's spans are called.

A trace is an order's: its id is the 128 bits of the root event id, in whichever process. A span
that others are children of has an id that follows from what both sides know anyway (an event, the
payment, a lease), so no table carries a context.

Source:
    W3C Trace Context, "traceparent Header"; `runtime.domain.event.traceparent` writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from runtime.domain.event import Record
from runtime.domain.names import EventId, Header, trace_id

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")

# An id of zeros is none, by the same page.
_NONE: Final = frozenset({"0" * 32, "0" * 16})


@dataclass(frozen=True, slots=True)
class SpanContext:
    """One span of one trace: 32 and 16 lower-case hexadecimal digits."""

    trace_id: str
    span_id: str


def parse_traceparent(text: str) -> SpanContext | None:
    """Whose child the receiver is; None when the text says nothing of the kind."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None or _NONE & {*found.groups()}:
        return None
    return SpanContext(found[1], found[2])


def caller_of(record: Record) -> SpanContext | None:
    """The span that published a record, as its header says."""
    return parse_traceparent(record.headers.get(Header.TRACEPARENT, ""))


def of_publication(root: EventId, event_id: UUID) -> SpanContext:
    """The span that publishes an event: what `traceparent` in the record's headers names."""
    return _first_half(root, event_id)


def of_attempt(root: EventId, lease_token: UUID) -> SpanContext:
    """The span of one attempt: what `traceparent` of its call to the gateway names."""
    return _first_half(root, lease_token)


def of_insertion(root: EventId, event_id: UUID) -> SpanContext:
    """The span that wrote an event into the outbox; its publication is a child of it."""
    return _first_half(root, uuid5(event_id, "insertion"))


def of_inbox(root: EventId) -> SpanContext:
    """The span that made an order's payment; all that happens to the payment is a child of it."""
    return _first_half(root, uuid5(root, "inbox"))


def _first_half(root: EventId, named: UUID) -> SpanContext:
    return SpanContext(trace_id(root), named.hex[:16])
