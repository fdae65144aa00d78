"""The orders-service as its clients see it: place, read, cancel, and the truth about time-outs.

Answers are values; only the caller knows whether a missing answer is an error. A call that got no
answer is reported as such and never as a refusal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import urllib3

from bookpayctl.history import NOT_SENT, Answer, outcome_of

# One connection per thread of the load; more would only queue in the service.
CONNECTIONS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer: `status` None when none came, then `error` says what happened instead."""

    status: int | None
    body: dict[str, Any]
    replayed: bool = False
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def problem(self) -> str:
        """One line for a person: what was refused, or that no answer came."""
        if self.status is None:
            return f"no answer: {self.error}"
        title = self.body.get("detail") or self.body.get("title") or "no explanation"
        return f"{self.status} {self.body.get('code', '')}: {title}"

    def answer(self) -> Answer:
        """The reply as the history records it."""
        code = self.body.get("code") or self.error
        return Answer(
            outcome_of(self.status, self.body.get("code")),
            self.status,
            order_id=self.body.get("id") if self.ok else None,
            amount_cents=self.body.get("total_cents") if self.ok else None,
            code=code,
        )


class OrdersApi:
    """HTTP client of one tenant. Never retries by itself: a retry is the caller's decision."""

    def __init__(self, base_url: str, token: str, *, timeout_seconds: float = 10.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._pool = urllib3.PoolManager(
            num_pools=2,
            maxsize=CONNECTIONS_MAX,
            block=False,
            timeout=urllib3.Timeout(connect=2.0, read=timeout_seconds),
            retries=False,
        )

    def place(self, order: dict[str, Any], *, client_key: str) -> Reply:
        """POST /orders with `client_key` as Idempotency-Key."""
        return self._call("POST", "/orders", order, {"Idempotency-Key": client_key})

    def get(self, order_id: str) -> Reply:
        return self._call("GET", f"/orders/{order_id}")

    def cancel(self, order_id: str, reason: str) -> Reply:
        return self._call("POST", f"/orders/{order_id}/cancel", {"reason": reason})

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        try:
            response = self._pool.request(
                method,
                self._base_url + path,
                body=None if body is None else json.dumps(body).encode(),
                headers={**self._headers, **(headers or {})},
            )
        except (
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.ConnectTimeoutError,
        ) as error:
            return Reply(None, {"code": NOT_SENT}, error=f"{type(error).__name__}: {error}")
        except urllib3.exceptions.HTTPError as error:
            return Reply(None, {}, error=f"{type(error).__name__}: {error}")
        replayed = response.headers.get("Idempotent-Replayed") == "true"
        return Reply(response.status, _object(response.data), replayed)


def _object(data: bytes) -> dict[str, Any]:
    """The JSON object of an answer; empty when the answer holds none, as a proxy's page."""
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
