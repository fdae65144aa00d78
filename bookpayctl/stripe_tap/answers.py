"""The answers of one connection, read from a copy of its bytes that have gone on already."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any, Final

import httptools

BODY_BYTES_KEPT: Final = 256 * 1024

# RFC 9110, 15.2: any number of 1xx responses may come before the final one.
_FINAL_STATUS_MIN: Final = 200
_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, complete."""

    status: int
    request_id: str | None
    replayed: bool
    object_id: str | None


class AnswerStream:
    """Follows what a server sends; called by httptools, so its hooks have httptools' names."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._complete: list[Answer] = []
        self._headers: dict[str, str] = {}
        self._body = b""
        self._in_message = False
        self.unreadable = False

    @property
    def under_way(self) -> bool:
        """Whether an answer has begun and not ended."""
        return self._in_message

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that these bytes complete; none for ever once one could not be read."""
        if self.unreadable:
            return []
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.unreadable = True
        complete, self._complete = self._complete, []
        return complete

    def end(self) -> list[Answer]:
        """The connection ended: that completes an answer that said no length."""
        framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        if self.unreadable or not self._in_message or framed or not self._headers:
            return []
        self.on_message_complete()
        complete, self._complete = self._complete, []
        return complete

    # httptools calls these.

    def on_message_begin(self) -> None:
        self._headers, self._body, self._in_message = {}, b"", True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body[: BODY_BYTES_KEPT - len(self._body)]

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._in_message = False
        if status < _FINAL_STATUS_MIN:
            return
        self._complete.append(
            Answer(
                status,
                self._headers.get("request-id"),
                self._headers.get("idempotent-replayed", "").lower() == "true",
                _object_id(self._body, self._headers.get("content-encoding", "")),
            )
        )


def _object_id(body: bytes, coding: str) -> str | None:
    """The id of the object, or of the PaymentIntent that an error is about."""
    try:
        if coding.lower() == "gzip":
            body = zlib.decompressobj(_GZIP).decompress(body, BODY_BYTES_KEPT)
        document = json.loads(body)
    except (ValueError, zlib.error, RecursionError):
        return None
    return _id_of(document)


def _id_of(document: Any) -> str | None:
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if isinstance(error, dict):
        return _id_of(error.get("payment_intent"))
    found = document.get("id")
    return found if isinstance(found, str) else None
