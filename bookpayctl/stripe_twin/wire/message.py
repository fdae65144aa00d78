"""Requests and responses, and the ways a response can fail to arrive.

A response carries how it is transmitted, because a payment drill is about exactly that: the
charge was made, and the answer was cut, truncated or never sent.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class WireRequest:
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


Transmission: TypeAlias = Whole | Cut | Truncated | Silence
# What became of an answer, for the journal. `sent` means handed to the kernel of this machine.
TransmissionOutcome = Literal["sent", "replaced", "cut", "truncated", "silence", "client_gone"]

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class WireResponse:
    """One HTTP answer and how it is transmitted.

    Attributes:
        number: the journal number of the request, if what becomes of the answer is journalled.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON_TYPE
    transmission: Transmission = field(default_factory=Whole)
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


def head(response: WireResponse, *, keep_alive: bool) -> bytes:
    """The status line and headers of a response, Content-Length of its whole body included."""
    lines = [
        f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Status')}",
        # Not Stripe's name: whoever looks at a capture should see what answered.
        "Server: stripe-twin",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        "Connection: keep-alive" if keep_alive else "Connection: close",
    ]
    lines.extend(f"{name}: {value}" for name, value in response.headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
