"""HTTP connections that a drill can break between a request and its answer.

A pool notices a connection that was cut while it waited, and takes another; what hurts is one that
breaks while it is used. So the fault is left with the thread, and its next request meets it. A
thread that nobody asked anything of pays for two looks at an attribute.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from runtime.faults.connections import NothingToCutError, drop
from runtime.faults.points import ConnectionFault

OnSent = Callable[[ConnectionFault], None]


class _ThisCall(threading.local):
    """What a drill wants of the call that this thread makes next, or is making."""

    cut_when_written: bool = False
    on_sent: OnSent | None = None


_this_call: Final = _ThisCall()


class _Breakable:
    """Part of a urllib3 connection: where a drill can stand between a request and its answer."""

    sock: socket.socket | None

    def send(self, data: Any) -> None:
        if _this_call.cut_when_written:
            # Once: the next call of this thread may be another order's.
            _this_call.cut_when_written = False
            if self.sock is None:
                self.connect()  # type: ignore[attr-defined]
            if self.sock is not None:
                # Before the first byte: the gateway must not have got half a request, either.
                self.sock.shutdown(socket.SHUT_RDWR)
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        # Only when somebody asks for the answer has all of the request been written.
        on_sent, _this_call.on_sent = _this_call.on_sent, None
        if on_sent is not None and self.sock is not None:
            on_sent(SentRequest(self.sock))
        return super().getresponse()  # type: ignore[misc]


class _PlainConnection(_Breakable, HTTPConnection):
    pass


class _TlsConnection(_Breakable, HTTPSConnection):
    pass


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


POOLS: Final[dict[str, type[urllib3.HTTPConnectionPool]]] = {"http": _PlainPool, "https": _TlsPool}
"""The class of a pool of such connections, by scheme."""


@contextmanager
def telling(on_sent: OnSent | None) -> Iterator[None]:
    """Tell `on_sent` of the first request of this thread inside the block."""
    _this_call.on_sent = on_sent
    try:
        yield
    finally:
        # A call that failed before it was sent has told nobody, and must not tell the next one's.
        _this_call.on_sent = None


@dataclass(frozen=True, slots=True)
class NextCall:
    """The connection on which this thread's next request will go out."""

    def begin(self) -> None:
        """Nothing has been sent yet."""

    def cut(self) -> None:
        """Cut it when the request is written: a pool would notice a connection cut before."""
        _this_call.cut_when_written = True

    def time_out(self) -> None:
        # `INAPPLICABLE` refuses this before it comes here; a new point might not.
        raise NothingToCutError("nothing was sent that could be executed")


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A connection with a whole request on its way and no answer read."""

    sock: socket.socket

    def begin(self) -> None:
        """The request has been sent already."""

    def cut(self) -> None:
        """The answer may have come already: it is lost as well."""
        drop(self.sock)

    def time_out(self) -> None:
        """Wait until the gateway has answered, and do not read it.

        Raises:
            TimeoutError: what a socket raises when nothing was read in time.
        """
        # Readable means answered: the charge or refund is executed, and nobody will know.
        select.select([self.sock], [], [], self.sock.gettimeout())
        raise TimeoutError("timed out")
