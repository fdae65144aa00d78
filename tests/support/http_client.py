"""HTTP as an honest client speaks it: one client for all tests, what came of a request as a value.

Whoever has to send bytes that no library would send uses a socket (`bookpayctl.forgery.wire`).
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

TIMEOUT_SECONDS: Final = 30.0

# Read once: it takes longer than a request on this machine.
TRUSTED: Final = ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, whatever its status.

    Attributes:
        headers: found without regard to case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, which has to be a JSON object."""
        document = json.loads(self.body)
        assert isinstance(document, dict), document
        return document

    @property
    def error(self) -> dict[str, Any]:
        """What Stripe puts under `error`."""
        return dict(self.json["error"])


@dataclass(frozen=True, slots=True)
class NotSent:
    """There was no connection, so nobody can have acted on the request."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """It was sent, at least in part, and nobody said what came of it."""

    reason: str


class HttpClient:
    """Keeps connections, follows no redirect, repeats nothing, reads no proxy settings.

    May be shared by threads: each has a pool of its own, because one that they share closes
    connections that another thread is reading (decision 0040).
    """

    def __init__(self, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._of_thread = threading.local()
        self._opened: list[httpx.Client] = []

    def _client(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = httpx.Client(timeout=self._timeout_seconds, verify=TRUSTED, trust_env=False)
            self._opened.append(client)
            self._of_thread.client = client
        return client

    def attempt(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        timeout_seconds: float | None = None,
    ) -> Answer | NotSent | NoAnswer:
        """Send once, for a test in which the other side may be away or die."""
        timeout = httpx.USE_CLIENT_DEFAULT if timeout_seconds is None else timeout_seconds
        sent = [(name.encode(), as_bytes(value)) for name, value in (headers or {}).items()]
        try:
            response = self._client().request(
                method, url, content=body, headers=sent, timeout=timeout
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return NotSent(repr(error))
        except httpx.TransportError as error:
            return NoAnswer(repr(error))
        return Answer(response.status_code, response.headers, response.content)

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> Answer:
        """Send once; the test fails when there is no answer."""
        answer = self.attempt(method, url, body=body, headers=headers)
        assert isinstance(answer, Answer), f"{method} {url}: {answer}"
        return answer

    def close_connections(self) -> None:
        """Close every connection that is kept; the next request opens a new one."""
        opened, self._opened, self._of_thread = self._opened, [], threading.local()
        for client in opened:
            client.close()


def as_bytes(value: str | bytes) -> bytes:
    """A header's value as it goes out; text beyond ASCII is a matter for bytes."""
    return value.encode("ascii") if isinstance(value, str) else value


http: Final = HttpClient()
"""The one that tests share; its connections are gone when the run ends."""
