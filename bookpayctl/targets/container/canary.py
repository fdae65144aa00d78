"""A canary: it asks a part of the stack again and again, and says when, and what was answered.

On one connection that it keeps, and each time on a new one. A question and its answer are two
lines, so that a question without an answer can be told from none asked: a connection that
nothing passes any more is silent, and says so by what does not come.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import threading
from collections.abc import Callable
from typing import Final, Protocol

from bookpayctl.clients.database import DatabaseError, connect
from bookpayctl.clients.kafka_wire import Frames

KEPT: Final = "kept"
NEW: Final = "new"

# Often enough to have many questions within a cut of seconds, too seldom to be a load.
ASK_SECONDS: Final = 0.4

# libpq's for a new session, in whole seconds; a cut that lasts longer is told as an error.
_CONNECT_SECONDS: Final = 5

# A whole request: its size, ApiVersions (18) in version 0, a number for the answer, nobody's name.
_API_VERSIONS: Final = struct.pack(">ihhih", 10, 18, 0, 1, -1)

Say = Callable[[str], None]


class AskedConnection(Protocol):
    """One connection to what is asked."""

    def ask(self) -> str:
        """Ask once; what was answered.

        Raises:
            OSError: no answer, and none will come on this connection.
        """
        ...

    def close(self) -> None: ...


class HttpConnection:
    """HTTP/1.1, kept open between two questions."""

    def __init__(self, host: str, port: int) -> None:
        # No time-out: the silence of a connection is what is looked for.
        self._http = http.client.HTTPConnection(host, port)
        self._http.connect()
        # One that was closed would be opened anew without a word, and pass for the old one.
        self._http.auto_open = 0

    def ask(self) -> str:
        try:
            self._http.request("GET", "/healthz")
            answer = self._http.getresponse()
            body = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        size = len(body) + len(str(answer.msg)) + len(f"HTTP/1.1 {answer.status} ")
        return f"HTTP {answer.status}, {size} bytes"

    def close(self) -> None:
        self._http.close()


class DatabaseConnection:
    """A session of PostgreSQL, as the service beside has one."""

    def __init__(self, dsn: str) -> None:
        try:
            self._session = connect(dsn, timeout_seconds=_CONNECT_SECONDS, autocommit=True)
        except DatabaseError as error:
            raise OSError(str(error)) from error

    def ask(self) -> str:
        try:
            row = self._session.execute("SELECT 1").fetchone()
        except DatabaseError as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        return f"row {row}"

    def close(self) -> None:
        self._session.close()


class KafkaConnection:
    """A connection to a broker, which is asked what it understands: anybody may ask that."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._frames = Frames()

    def ask(self) -> str:
        self._socket.sendall(_API_VERSIONS)
        while True:
            data = self._socket.recv(65_536)
            if not data:
                raise OSError("the broker ended the connection")
            if frames := self._frames.feed(data):
                return f"ApiVersions, {len(frames[0])} bytes"

    def close(self) -> None:
        self._socket.close()


def run(open_connection: Callable[[], AskedConnection], seconds: float, say: Say) -> None:
    """Ask on both kinds of connection until the time is over."""
    stop, turn = threading.Event(), threading.Lock()

    def tell(text: str) -> None:
        with turn:
            say(text)

    kept = threading.Thread(target=_ask_on_one, args=(open_connection, stop, tell), daemon=True)
    kept.start()
    threading.Thread(
        target=_ask_on_new_ones, args=(open_connection, stop, tell), daemon=True
    ).start()
    stop.wait(seconds)
    stop.set()


def _ask_on_one(
    open_connection: Callable[[], AskedConnection], stop: threading.Event, say: Say
) -> None:
    """Ask on one connection until it is broken; one that is silent is waited for."""
    number = 0
    try:
        connection = open_connection()
        while not stop.is_set():
            number += 1
            say(_line(KEPT, number, asked=True))
            say(_line(KEPT, number, answer=connection.ask()))
            stop.wait(ASK_SECONDS)
    except OSError as error:
        say(_line(KEPT, number, error=str(error) or type(error).__name__))


def _ask_on_new_ones(
    open_connection: Callable[[], AskedConnection], stop: threading.Event, say: Say
) -> None:
    """Ask on a new connection each time, whether or not those before were answered."""
    number = 0
    while not stop.is_set():
        number += 1
        threading.Thread(target=_ask_once, args=(open_connection, number, say), daemon=True).start()
        stop.wait(ASK_SECONDS)


def _ask_once(open_connection: Callable[[], AskedConnection], number: int, say: Say) -> None:
    say(_line(NEW, number, asked=True))
    try:
        connection = open_connection()
        with contextlib.closing(connection):
            say(_line(NEW, number, answer=connection.ask()))
    except OSError as error:
        say(_line(NEW, number, error=str(error) or type(error).__name__))


def _line(connection: str, number: int, **said: object) -> str:
    return json.dumps({"connection": connection, "number": number, **said})
