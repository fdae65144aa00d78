"""The orders-service as its clients see it: place, read, cancel, and the truth about time-outs.

Answers are values; only the caller knows whether a missing answer is an error. A call that got no
answer is reported as such and never as a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bookpayctl.clients.http import HttpAnswer, HttpClient, NoAnswer
from bookpayctl.clients.load_http import LoadHttpClient

TIMEOUT_SECONDS: Final = 10.0

# 4xx answers after which the order may still exist or come to exist: a conflict means that another
# request with this key is being worked on, 408 and 425 that this one was not read to the end.
UNDECIDED_STATUSES: Final = frozenset({408, 409, 425, 429})


NOT_SENT: Final = NoAnswer.NOT_SENT.value
"""The code of a call that never left: no connection was made, so nothing can have been done."""


class Outcome(StrEnum):
    """How the client saw the call end."""

    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How one call ended, as its client saw it.

    Attributes:
        status: HTTP status, or None when none arrived.
        code: problem code of a refusal, or the kind of transport error.
        retry_after: when to come again, as the answer says it; None where it does not.
    """

    outcome: Outcome
    status: int | None
    order_id: str | None = None
    amount_cents: int | None = None
    code: str | None = None
    retry_after: str | None = None


def outcome_of(status: int | None, code: str | None = None) -> Outcome:
    """Classify an answer to POST /orders.

    `out_of_stock` is the one 409 that says the transaction was rolled back; the other conflicts
    speak of a request that may still succeed.
    """
    if status is None and code == NOT_SENT:
        return Outcome.FAIL
    if status is None or status >= 500:
        return Outcome.UNKNOWN
    if 200 <= status < 300:
        return Outcome.OK
    if status == 409 and code == "out_of_stock":
        return Outcome.FAIL
    if status in UNDECIDED_STATUSES or status < 400:
        return Outcome.UNKNOWN
    return Outcome.FAIL


@dataclass(frozen=True, slots=True)
class OrderReply:
    """One answer of the orders-service: `status` None when none came, then `error` says why."""

    status: int | None
    body: dict[str, Any]
    replayed: bool = False
    error: str | None = None
    retry_after: str | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def not_found(self) -> bool:
        return self.status == 404

    def problem(self) -> str:
        """One line for a person: what was refused, or that no answer came."""
        if self.status is None:
            return f"no answer: {self.error}"
        title = self.body.get("detail") or self.body.get("title") or "no explanation"
        return f"{self.status} {self.body.get('code', '')}: {title}"

    def call_end(self) -> CallEnd:
        """The reply as the history records it."""
        code = self.body.get("code") or self.error
        outcome = outcome_of(self.status, self.body.get("code"))
        if outcome is Outcome.OK and "id" not in self.body:
            # A status line that was cut, or a proxy's: it names no order, so it is no order.
            outcome = Outcome.UNKNOWN
        return CallEnd(
            outcome,
            self.status,
            order_id=self.body.get("id") if self.ok else None,
            amount_cents=self.body.get("total_cents") if self.ok else None,
            code=code,
            retry_after=self.retry_after,
        )


class OrdersApi:
    """HTTP client of one tenant. Never retries by itself: a retry is the caller's decision."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        under_load: bool = False,
    ) -> None:
        """Connect to nobody yet; `under_load` for one that many threads call at once."""
        self._base_url = base_url.rstrip("/")
        client = LoadHttpClient if under_load else HttpClient
        headers = {"Authorization": f"Bearer {token}"}
        self._http = client(timeout_seconds=timeout_seconds, headers=headers)

    def place(self, order: dict[str, Any], *, client_key: str) -> OrderReply:
        """POST /orders with `client_key` as Idempotency-Key."""
        return self._call("POST", "/orders", order, {"Idempotency-Key": client_key})

    def get(self, order_id: str) -> OrderReply:
        return self._call("GET", f"/orders/{order_id}")

    def cancel(self, order_id: str, reason: str) -> OrderReply:
        return self._call("POST", f"/orders/{order_id}/cancel", {"reason": reason})

    def _call(
        self,
        method: str,
        path: str,
        document: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> OrderReply:
        url = self._base_url + path
        return _reply(self._http.request(method, url, document=document, headers=headers))


def _reply(answer: HttpAnswer) -> OrderReply:
    if answer.status is None:
        body = {"code": NOT_SENT} if answer.missing is NoAnswer.NOT_SENT else {}
        return OrderReply(None, body, error=answer.error)
    replayed = answer.headers.get("idempotent-replayed") == "true"
    retry_after = answer.headers.get("retry-after")
    return OrderReply(answer.status, answer.object(), replayed, retry_after=retry_after)
