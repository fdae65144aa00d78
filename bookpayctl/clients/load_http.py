"""HTTP for a load: many threads, one pool, and little time of our own in what is measured.

urllib3, where everything else here uses httpx: at 500 calls a second a pool that the threads share
put 279 ms of its own waiting into the reported median, urllib3 1.4 ms (decision 0040).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import urllib3

from bookpayctl.clients.http import CONNECT_SECONDS, HttpAnswer, NoAnswer

# One connection per thread of the load; more would only queue in the service.
CONNECTIONS_MAX: Final = 64


class LoadHttpClient:
    """Answers as `HttpClient` does; safe to share between threads."""

    def __init__(self, *, timeout_seconds: float, headers: Mapping[str, str]) -> None:
        self._headers = {**headers, "Content-Type": "application/json"}
        self._pool = urllib3.PoolManager(
            num_pools=2,
            maxsize=CONNECTIONS_MAX,
            block=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=timeout_seconds),
            retries=False,
        )

    def request(
        self,
        method: str,
        url: str,
        *,
        document: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """One call with `document` as its JSON body. Never raises for what the network does."""
        try:
            response = self._pool.request(
                method,
                url,
                body=None if document is None else json.dumps(document).encode(),
                headers={**self._headers, **(headers or {})},
            )
        except (
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.ConnectTimeoutError,
        ) as error:
            return HttpAnswer(None, missing=NoAnswer.NOT_SENT, error=_said(error))
        except urllib3.exceptions.HTTPError as error:
            return HttpAnswer(None, missing=NoAnswer.UNKNOWN, error=_said(error))
        found = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(response.status, response.data, found)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
