"""What logical replication sends of the outbox, as rows: pgoutput, version 1, values as text.

Pure: bytes in, rows out, a few microseconds each. A transaction comes as a whole after its commit,
transactions in the order of their commits; what is no INSERT into the outbox is passed over.

Source:
    PostgreSQL manual, 54.4 Streaming Replication Protocol, 54.9 Logical Replication Message
    Formats.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from runtime.adapters.store.outbox import OutboxRow
from runtime.domain.event import RECORD_BYTES_MAX

COLUMNS: Final = (
    *("event_id", "aggregate", "aggregate_id", "event_type", "payload", "tenant_id", "created_at"),
)
"""What the publication has of the table: all but `published_at`, which is null in an INSERT."""

_XLOG: Final = 0x77  # w
_KEEPALIVE: Final = 0x6B  # k
_BEGIN: Final = 0x42  # B
_COMMIT: Final = 0x43  # C
_INSERT: Final = 0x49  # I
_RELATION: Final = 0x52  # R
_TEXT: Final = 0x74  # t

# The header of a message with data: its kind, where it begins, the server's end, its clock.
_DATA_AT: Final = 25
_KEEPALIVE_FIELDS: Final = Struct("!xQqB")
# Flags, the commit's position, the position after it.
_COMMIT_END: Final = Struct("!xBQQ")
_INT32: Final = Struct("!I").unpack_from
_INT16: Final = Struct("!H").unpack_from

_ROOT: Final = '"root_event_id": "'
_ID_LENGTH: Final = 36
_ROOT_LENGTH_MAX: Final = 100

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00").fullmatch
_USUAL_TIME_LENGTH: Final = len("2026-03-01 12:00:00.000000+00")


class UnexpectedMessageError(ValueError):
    """The stream is not what this module can read: its columns, or its protocol."""


@dataclass(slots=True)
class Decoder:
    """One stream.

    Attributes:
        position: everything that was committed before it has been handed out; 0 before the first.
        asked: the server wants to hear from us now.
        unreadable: ids of rows that no value here can hold, since they were last taken.
    """

    schema: bytes
    position: int = 0
    asked: bool = False
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    _relation: int = -1
    _within: bool = False

    def feed(self, message: bytes, rows: list[OutboxRow]) -> None:
        """Take one message; its row, if it has one, is appended.

        Raises:
            UnexpectedMessageError: it can never be read.
        """
        if message[0] == _XLOG:
            kind = message[_DATA_AT]
            if kind == _INSERT:
                if _INT32(message, _DATA_AT + 1)[0] == self._relation:
                    self._insert(message, rows)
            elif kind == _COMMIT:
                self.position = _COMMIT_END.unpack_from(message, _DATA_AT)[2]
                self._within = False
            elif kind == _BEGIN:
                self._within = True
            elif kind == _RELATION:
                self._learn(message)
        elif message[0] == _KEEPALIVE:
            end, _, wants_reply = _KEEPALIVE_FIELDS.unpack_from(message)
            self.asked = self.asked or bool(wants_reply)
            # Between two messages of one transaction it says nothing of the rest of that one.
            if not self._within:
                self.position = max(self.position, end)

    def _learn(self, message: bytes) -> None:
        """A description of a table, which comes before its first row and after each change."""
        at = _DATA_AT + 1
        number = _INT32(message, at)[0]
        schema, table, rest = message[at + 4 :].split(b"\0", 2)
        if (schema, table) != (self.schema, b"outbox"):
            return
        count, at, names = _INT16(rest, 1)[0], 3, []
        for _ in range(count):
            name, rest = rest[at + 1 :].split(b"\0", 1)
            names.append(name.decode())
            at = 8
        if tuple(names) != COLUMNS:
            raise UnexpectedMessageError(f"the publication has columns {', '.join(names)}")
        self._relation = number

    def _insert(self, message: bytes, rows: list[OutboxRow]) -> None:
        # Column by column and not in a loop: for each event, this is most of what reading costs.
        first = _DATA_AT + 8
        second = first + 5 + _INT32(message, first + 1)[0]
        third = second + 5 + _INT32(message, second + 1)[0]
        fourth = third + 5 + _INT32(message, third + 1)[0]
        fifth = fourth + 5 + _INT32(message, fourth + 1)[0]
        sixth = fifth + 5 + _INT32(message, fifth + 1)[0]
        seventh = sixth + 5 + _INT32(message, sixth + 1)[0]
        if not (
            message[first]
            == message[second]
            == message[third]
            == message[fourth]
            == message[fifth]
            == message[sixth]
            == message[seventh]
            == _TEXT
        ):
            raise UnexpectedMessageError("a column of the outbox came without a text")
        event_id = message[first + 5 : second].decode("ascii")
        try:
            document = (
                message[fifth + 5 : sixth].decode()
                if sixth - fifth - 5 <= RECORD_BYTES_MAX
                else None
            )
            row = OutboxRow(
                event_id,
                message[second + 5 : third].decode(),
                message[third + 5 : fourth].decode(),
                message[fourth + 5 : fifth].decode(),
                document,
                message[sixth + 5 : seventh].decode(),
                _time(message[seventh + 5 :].decode()),
                _root(document),
            )
        except UnicodeDecodeError as error:
            self.unreadable.append((event_id, str(error)))
            return
        rows.append(row)


def _time(text: str) -> str | None:
    """ISO 8601 of a time as the server writes it in UTC; None outside the years 1 to 9999."""
    if len(text) == _USUAL_TIME_LENGTH and text[10] == " ":
        return f"{text[:10]}T{text[11:26]}+00:00"
    found = _TIME(text)
    if found is None or found[1] < "0001":
        return None
    return f"{found[1]}T{found[2]}.{found[3] or '':0<6}+00:00"


def _root(document: str | None) -> str | None:
    """`root_event_id` of a payload, where that is a text.

    The text is jsonb's own: one blank after a colon, no key twice, quotes escaped within texts. So
    what is found here is a key; that nothing is closed behind it but the payload says of which.
    """
    if document is None:
        return None
    at = document.rfind(_ROOT)
    if at < 0:
        return None
    begin = at + len(_ROOT)
    end = begin + _ID_LENGTH
    if document[end : end + 1] == '"' and document.find("}", end) == len(document) - 1:
        return document[begin:end]
    try:
        payload = json.loads(document)
    except (ValueError, RecursionError):
        return None
    root = payload.get("root_event_id") if isinstance(payload, dict) else None
    return root[:_ROOT_LENGTH_MAX] if isinstance(root, str) else None
