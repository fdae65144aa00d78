"""Stripe as a colleague with the account's key uses it: refunds that are none of ours.

No metadata of ours, and a key that nobody here derives. Test keys alone: a session refuses others.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from bookpayctl.clients.http import HttpClient

KEY_PREFIX: Final = "dashboard-"
TIMEOUT_SECONDS: Final = 15.0


class DashboardError(RuntimeError):
    """Stripe did not do it; the message says what it answered."""


class StripeDashboard:
    """One account."""

    def __init__(self, api_base: str, key: str) -> None:
        self._url = api_base.rstrip("/")
        self._http = HttpClient(
            timeout_seconds=TIMEOUT_SECONDS, headers={"Authorization": f"Bearer {key}"}
        )

    def refund(self, payment_intent_id: str, *, key: str, amount: int | None = None) -> str:
        """Give a part back, or all; returns the refund's id.

        Raises:
            DashboardError: see there.
        """
        form = {"payment_intent": payment_intent_id}
        if amount is not None:
            form["amount"] = str(amount)
        answer = self._http.request(
            "POST",
            f"{self._url}/v1/refunds",
            content=urlencode(form).encode(),
            headers={
                "Idempotency-Key": f"{KEY_PREFIX}{key}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )
        if not answer.ok:
            said = answer.error or answer.object().get("error", {}).get("message")
            raise DashboardError(f"no refund of {payment_intent_id}: {answer.status} {said}")
        return str(answer.object()["id"])
