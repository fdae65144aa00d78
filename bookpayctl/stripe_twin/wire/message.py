"""Requests and replies, and the ways a reply can fail to arrive.

A reply carries its own fate because a payment drill is about exactly that: the charge was made,
and the answer was cut, truncated or never sent.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are lower case, the body is raw."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Whole:
    """The bytes are sent as they are; `replaced` if a fault put others in place of the answer."""

    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends instead of an answer: by RST, or by FIN."""

    reset: bool


@dataclass(frozen=True, slots=True)
class Truncated:
    """Headers promise the whole body; this many bytes of it arrive, then the end."""

    bytes_sent: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing arrives for this long, then the connection ends."""

    seconds: float


Fate: TypeAlias = Whole | Cut | Truncated | Silence
# What became of an answer, for the journal. `sent` means handed to the kernel of this machine.
Outcome = Literal["sent", "replaced", "cut", "truncated", "silence", "client_gone"]

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer and its fate.

    Attributes:
        number: the journal number of the request, if what becomes of the answer is journalled.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON_TYPE
    fate: Fate = field(default_factory=Whole)
    number: int | None = None


_REASONS = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


def head(reply: Reply, *, keep_alive: bool) -> bytes:
    """The status line and headers of a reply, Content-Length of its whole body included."""
    lines = [
        f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}",
        "Server: stripe-twin",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        "Connection: keep-alive" if keep_alive else "Connection: close",
    ]
    lines.extend(f"{name}: {value}" for name, value in reply.headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
