"""A server that answers whatever it is told to, byte for byte: in Stripe's place, or our gateway's.

It reads requests as HTTP and knows nothing else; what it sends may be no HTTP at all.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

BODILESS = (204, 304)


def answer(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """A complete answer as bytes; a status that has no body gets none."""
    content = b"" if status in BODILESS or status < 200 else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


@dataclass
class AnsweringServer:
    """One server.

    Attributes:
        says: what it sends to the next request.
        hangs_up: whether it closes the connection behind each answer.
        elsewhere: what it sends to `/elsewhere`, where redirects lead.
        heard: the request lines, in their order.
    """

    says: bytes = b""
    hangs_up: bool = False
    elsewhere: bytes = b""
    heard: list[str] = field(default_factory=list)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self) -> None:
        """Serve until the listener is closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # Otherwise each answer waits for an acknowledgement that the client holds back.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as stream:
            try:
                while line := stream.readline().decode("latin-1").strip():
                    _skip_rest(stream)
                    self.heard.append(line)
                    elsewhere = line.split(" ")[1].startswith("/elsewhere")
                    connection.sendall(self.elsewhere if elsewhere else self.says)
                    if self.hangs_up:
                        return
            except OSError:
                return


def _skip_rest(stream: BinaryIO) -> None:
    """Read the rest of a request: its headers, and as much of a body as they announce."""
    length = 0
    while header := stream.readline().decode("latin-1").strip():
        name, _, value = header.partition(":")
        if name.lower() == "content-length":
            length = int(value)
    stream.read(length)


@contextmanager
def answering_server() -> Iterator[AnsweringServer]:
    """A server on a free port, gone at the end."""
    server = AnsweringServer()
    thread = threading.Thread(target=server.accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        # Closing alone does not wake an accept that is under way.
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join(5)
