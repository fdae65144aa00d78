"""A line that a process logged, when it was, and which lines speak of one order. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

# The start of a line of PostgreSQL or of Kafka: date, time, and a zone or `Z`.
_TIMESTAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:[.,]\d+)?)(?: UTC|Z)?\b")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of one process.

    Attributes:
        at: ISO 8601 UTC text, good for sorting; of an unparsed line, of the line before it.
        raw: as it stands in the file, without the line break.
        fields: the JSON object; None when the line is not one.
    """

    at: str
    process: str
    raw: str
    fields: dict[str, Any] | None

    def text(self, name: str) -> str:
        """One field as text; empty when it is missing."""
        value = (self.fields or {}).get(name)
        return "" if value is None else str(value)


@dataclass(slots=True)
class OrderFilter:
    """Keeps the lines that speak of one order.

    A service far from the order logs only an event id, so the ids seen together with the order
    are collected first and count as well. They only grow.
    """

    order_id: str
    ids: set[str] = field(default_factory=set)

    def learn(self, line: LogLine) -> None:
        """Remember the ids of a line that names the order."""
        if line.text("order_id") == self.order_id:
            named = (line.text(name) for name in ("event_id", "root_event_id", "trace_id"))
            self.ids.update(value for value in named if value)

    def matches(self, line: LogLine) -> bool:
        if line.text("order_id") == self.order_id:
            return True
        named = (line.text(name) for name in ("event_id", "root_event_id", "trace_id"))
        if any(value in self.ids for value in named):
            return True
        return line.fields is None and self.order_id in line.raw


def parse(process: str, raw: str, previous_at: str) -> LogLine:
    """One line; `previous_at` is the time of the line before it in the same log."""
    if raw.startswith("{"):
        try:
            fields = json.loads(raw)
        except json.JSONDecodeError:
            return LogLine(previous_at, process, raw, None)
        return LogLine(
            time_at_start(str(fields.get("ts", ""))) or previous_at, process, raw, fields
        )
    return LogLine(time_at_start(raw) or previous_at, process, raw, None)


def time_at_start(text: str) -> str:
    """The time at the start of `text` in one notation; empty when there is none."""
    found = _TIMESTAMP.match(text)
    if found is None:
        return ""
    clock, _, fraction = found[2].replace(",", ".").partition(".")
    return f"{found[1]}T{clock}.{fraction[:6]:0<6}Z"
