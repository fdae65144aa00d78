"""HTTP as this tool speaks it: one client, and an answer that did not come is a value, too.

What a caller may conclude from a missing answer depends on one thing: whether the request can have
arrived. No connection, nothing sent; anything later, nobody knows. The client never retries, reads
no proxy settings from the shell (everything it asks is named by the environment), and follows no
redirect: where a redirect leads was not asked.
"""

from __future__ import annotations

import json
import ssl
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Final

import httpx

CONNECT_SECONDS: Final = 2.0


class NoAnswer(StrEnum):
    """Why there is no answer."""

    NOT_SENT = "not_sent"
    """No connection was made, so nothing can have been done."""
    UNKNOWN = "unknown"
    """It was sent, or may have been; what it did cannot be told from here."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back.

    Attributes:
        status: None when nothing came; then `missing` says what that means and `error` what
            happened.
        headers: names in lower case.
    """

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    missing: NoAnswer | None = None
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text, or the error when there is none."""
        return self.error if self.status is None else self.body.decode("utf-8", "replace")

    def object(self) -> dict[str, Any]:
        """The JSON object of the body; empty when it holds none, as a proxy's page."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


class HttpClient:
    """Kept connections to whoever is asked; safe to share between threads.

    Each thread has a pool of its own. One that threads share closes connections which another
    thread is reading (decision 0040: 3 of 20,000 calls were lost that way).
    """

    def __init__(self, *, timeout_seconds: float, headers: Mapping[str, str] | None = None) -> None:
        self._timeout = httpx.Timeout(
            timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)
        )
        self._headers = dict(headers or {})
        self._of_thread = threading.local()
        self._opened: list[httpx.Client] = []
        # Whoever forgets to close it leaves no connections behind.
        self._finalizer = weakref.finalize(self, _close_all, self._opened)

    def request(
        self,
        method: str,
        url: str,
        *,
        document: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """One call, with `document` as JSON or `content` as it is for its body.

        Never raises for what the network does.
        """
        try:
            response = self._client().request(
                method, url, json=document, content=content, params=query, headers=headers
            )
        except _NOT_SENT as error:
            return HttpAnswer(None, missing=NoAnswer.NOT_SENT, error=_said(error))
        except httpx.HTTPError as error:
            return HttpAnswer(None, missing=NoAnswer.UNKNOWN, error=_said(error))
        return HttpAnswer(response.status_code, response.content, dict(response.headers))

    def close(self) -> None:
        self._finalizer()

    def _client(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = httpx.Client(
                timeout=self._timeout,
                headers=self._headers,
                verify=_trusted(),
                trust_env=False,
                follow_redirects=False,
            )
            self._opened.append(client)
            self._of_thread.client = client
        return client


@cache
def _trusted() -> ssl.SSLContext:
    """Whom we trust; read once, because reading it takes longer than a call on this machine."""
    return ssl.create_default_context()


def _close_all(clients: list[httpx.Client]) -> None:
    for client in clients:
        client.close()


# An address that makes no sense is not sent either.
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def ask(
    method: str,
    url: str,
    *,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float,
) -> HttpAnswer:
    """One call on a connection of its own, for who asks seldom."""
    client = HttpClient(timeout_seconds=timeout_seconds)
    try:
        return client.request(method, url, content=content, headers=headers)
    finally:
        client.close()


def _said(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
