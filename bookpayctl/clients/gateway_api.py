"""The payments-gateway as the worker speaks to it: one charge, under the key that it will have."""

from __future__ import annotations

from typing import Any, Final

from bookpayctl.clients.http import HttpClient

TIMEOUT_SECONDS: Final = 15.0


class GatewayError(RuntimeError):
    """The gateway did not settle a charge; the message says what it answered."""


class GatewayApi:
    """One gateway; never retries."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"}
        self._http = HttpClient(timeout_seconds=TIMEOUT_SECONDS, headers=headers)

    def settle(self, charge: dict[str, Any]) -> None:
        """POST /charge, which has to come to money.

        Raises:
            GatewayError: it did not.
        """
        answer = self._http.request("POST", f"{self._base_url}/charge", document=charge)
        outcome = answer.object().get("outcome")
        if outcome != "settled":
            said = answer.error or f"{answer.status} {outcome}"
            raise GatewayError(f"the charge of order {charge['order_id']} was not settled: {said}")
