"""Bytes over a plain socket, and what comes back: no client library that would mend them first."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

PIECE_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class RawRequest:
    """Bytes for one connection.

    Attributes:
        pieces: called for each sending, as some have no end.
        pause_seconds: between pieces.
        half_close: say "no more" after the last piece and go on listening.
        body: the signed body, or what stands for it: rows are looked for by it.
        bodiless: whether the answer has no body whatever its length says, as to a HEAD.
    """

    body: bytes
    pieces: Callable[[], Iterable[bytes]]
    pause_seconds: float = 0.0
    half_close: bool = False
    bodiless: bool = False


ANSWER_SECONDS_MAX: Final = 15.0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back.

    Attributes:
        status: None when no answer came; `problem` then says what happened instead.
        seconds: from the first byte sent to the end of the answer.
    """

    status: int | None
    headers: dict[str, str]
    body: bytes
    seconds: float
    problem: str = ""


def exchange(
    host: str, port: int, request: RawRequest, *, deadline_seconds: float = ANSWER_SECONDS_MAX
) -> RawAnswer:
    """Send a request piece by piece and listen all the while, so that an early answer is heard."""
    began = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=deadline_seconds) as connection:
            raw, problem = _converse(connection, request, began + deadline_seconds)
    except OSError as error:
        raw, problem = b"", f"{type(error).__name__}: {error}"
    return _parsed(raw, problem, time.monotonic() - began)


def _converse(connection: socket.socket, request: RawRequest, deadline: float) -> tuple[bytes, str]:
    """Alternate between sending what is due and reading what is there, until a whole answer."""
    connection.setblocking(False)
    heard, pending, due = bytearray(), b"", 0.0
    pieces: Iterator[bytes] | None = iter(request.pieces())
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        while not _is_whole(heard, request.bodiless):
            now = time.monotonic()
            if now > deadline:
                return bytes(heard), "no answer in time"
            if pieces is not None and not pending and now >= due:
                piece = next(pieces, None)
                pending, due = piece or b"", now + request.pause_seconds
                if piece is None:
                    pieces = None
                    if request.half_close:
                        connection.shutdown(socket.SHUT_WR)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if pending else 0)
            selector.modify(connection, events)
            wait = deadline - now if pieces is None else min(max(due - now, 0.0), 1.0)
            for _, ready in selector.select(0 if pieces and not pending and due <= now else wait):
                try:
                    if ready & selectors.EVENT_READ:
                        got = connection.recv(PIECE_BYTES)
                        if not got:
                            return bytes(heard), "" if heard else "closed without an answer"
                        heard += got
                    elif ready & selectors.EVENT_WRITE:
                        pending = pending[connection.send(pending[:PIECE_BYTES]) :]
                except (ConnectionResetError, BrokenPipeError) as error:
                    # What was said before the reset may still be lying here to be read.
                    return bytes(heard) + _rest(connection), type(error).__name__
    return bytes(heard), ""


def _rest(connection: socket.socket) -> bytes:
    try:
        return connection.recv(PIECE_BYTES)
    except OSError:
        return b""


def _is_whole(heard: bytearray, bodiless: bool) -> bool:
    head, end, body = bytes(heard).partition(b"\r\n\r\n")
    if not end or bodiless:
        return bool(end)
    length = _headers(head).get("content-length")
    # Without a length the answer ends with the connection.
    return length is not None and len(body) >= int(length)


def _parsed(raw: bytes, problem: str, seconds: float) -> RawAnswer:
    head, _, body = raw.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        return RawAnswer(None, {}, raw, seconds, problem or "no HTTP answer")
    return RawAnswer(int(words[1]), _headers(head), body, seconds, problem)


def _headers(head: bytes) -> dict[str, str]:
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {
        name.decode("latin-1").strip().lower(): value.decode("latin-1").strip()
        for name, _, value in pairs
    }
