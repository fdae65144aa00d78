"""The Stripe twin as a process, its API as a client sees it, and questions to its own ledger."""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import stripe

from tests.support.http_client import Answer, HttpClient
from tests.support.processes import Child

API_KEY: Final = "sk_test_suite"
MONEY_TAKEN: Final = ("charge", "capture")

CARD: Final = {
    "amount": 2000,
    "currency": "usd",
    "confirm": "true",
    "payment_method": "pm_card_visa",
    "payment_method_types[]": "card",
}
"""A good card, charged at once."""


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return str(uuid.uuid4())


class Twin:
    """One twin by its two addresses: Stripe's API, and its control API with the ledger."""

    def __init__(self, api: str, control: str) -> None:
        self.api = api
        self.control = control
        self.http = HttpClient()

    # --- Stripe's API ---

    def post(
        self,
        path: str,
        parameters: Mapping[str, object] | None = None,
        key: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A form; `headers` go out beside the usual ones, or in place of them."""
        sent = {"Authorization": f"Bearer {API_KEY}", **(headers or {})}
        sent["Content-Type"] = "application/x-www-form-urlencoded"
        if key is not None:
            sent["Idempotency-Key"] = key
        form = urlencode(parameters or {}).encode()
        return self.http.request("POST", self.api + path, body=form, headers=sent)

    def get(
        self, path: str, *, account: str | None = None, method: str = "GET", **fields: Any
    ) -> Answer:
        """A request without a body; `fields` go into the query."""
        sent = {"Authorization": f"Bearer {API_KEY}"}
        if account is not None:
            sent["Stripe-Account"] = account
        return self.http.request(method, self.api + with_query(path, fields), headers=sent)

    def charge(self, key: str | None = None, **parameters: object) -> Answer:
        """A confirmed PaymentIntent, by default a good card and 20 dollars."""
        return self.post("/v1/payment_intents", {**CARD, **parameters}, key)

    def refund(self, payment_intent_id: str) -> None:
        """Give the money back as somebody with Stripe's dashboard would: without our metadata."""
        key = f"dashboard-{payment_intent_id}"
        answer = self.post("/v1/refunds", {"payment_intent": payment_intent_id}, key)
        assert answer.status == 200, answer.body

    def payment_intent(self, payment_intent_id: str) -> dict[str, Any]:
        return self.get(f"/v1/payment_intents/{payment_intent_id}").json

    # --- the control API ---

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The control API; any refusal fails the test."""
        document = None if body is None else json.dumps(body).encode()
        answer = self.http.request(method, self.control + path, body=document)
        assert answer.status == 200, (path, answer.body)
        return json.loads(answer.body)

    def rows(self, path: str, **filters: object) -> list[dict[str, Any]]:
        """A list of the ledger, as `/executions`; the filters go into the query."""
        begin = with_query(path, filters)
        page = self.ask("GET", begin)
        rows: list[dict[str, Any]] = page["data"]
        while page.get("has_more"):
            page = self.ask("GET", f"{begin}{'&' if '?' in begin else '?'}after={rows[-1]['n']}")
            rows += page["data"]
        return rows

    def connect(self, account: str) -> dict[str, str]:
        """Make a connected account; returns the header with which our key acts in it."""
        self.ask("POST", "/accounts", {"account": account})
        return {"Stripe-Account": account}

    def charges(self, event_id: object) -> list[dict[str, Any]]:
        """Every time money was really taken for this payment."""
        rows = self.rows("/executions", event_id=event_id)
        return [row for row in rows if row["kind"] in MONEY_TAKEN]

    def refunds(self, payment_intent_id: str) -> list[dict[str, Any]]:
        """Every time money was really given back."""
        return self.rows("/executions", payment_intent=payment_intent_id, kind="refund")

    def posts(self, event_id: object) -> list[dict[str, Any]]:
        """Every PaymentIntent creation that carried this payment's metadata."""
        rows = self.rows("/requests", event_id=event_id, method="POST")
        return [row for row in rows if row["path"] == "/v1/payment_intents"]

    def complete(self, payment_intent_id: str, *, succeed: bool) -> None:
        """The bank, or the customer, decides about a payment that waits."""
        document = {"payment_intent": payment_intent_id, "succeed": succeed}
        self.ask("POST", "/complete", document)

    def fault(self, action: str, **definition: object) -> str:
        """Add a fault; returns its id."""
        return str(self.ask("POST", "/faults", {"action": action, **definition})["id"])

    def clear_fault(self, fault_id: str) -> None:
        self.ask("DELETE", f"/faults/{fault_id}")

    def clear_faults(self) -> None:
        self.ask("DELETE", "/faults")


def with_query(path: str, fields: Mapping[str, object]) -> str:
    return f"{path}?{urlencode(fields)}" if fields else path


STARTED: Final[list[Child]] = []
"""Every twin that a test started, so that a test that fails midway leaves none behind."""


class TwinProcess(Twin):
    """One twin process on free ports; a second one on the same data goes on where it ended."""

    def __init__(self, data: Path, *arguments: str, before: tuple[str, ...] = ()) -> None:
        """Start it and wait until it listens.

        Args:
            before: goes in front of the command, to limit what the process may do.
        """
        data.mkdir(parents=True, exist_ok=True)
        self.data = data
        self.child = Child("stripe-twin", data / f"twin-{new_key()}.log")
        python = (sys.executable, "-m", "bookpayctl.stripe_twin")
        self.child.launch([*before, *python, "--data", str(data), *arguments])
        STARTED.append(self.child)
        found = self.child.wait_until(self._addresses, "listens")
        super().__init__(found[1], found[2])

    def _addresses(self) -> re.Match[str] | None:
        return re.search(r"listens on (http://[0-9.:]+), control on (http\S+)", self.child.log)

    @property
    def log(self) -> Path:
        """What this process has written."""
        return self.child.log_path

    def sdk(self, key: str = API_KEY, **options: Any) -> stripe.StripeClient:
        """Stripe's own client, talking to this twin."""
        return stripe.StripeClient(key, base_addresses={"api": self.api}, **options)

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()
        self.http.close_connections()

    def stop(self) -> int | None:
        """SIGTERM, then wait; returns the exit status."""
        status = self.child.stop()
        self.http.close_connections()
        return status


@contextmanager
def running_twin(directory: Path, *arguments: str) -> Iterator[Twin]:
    """A twin that is stopped at the end."""
    twin = TwinProcess(directory, *arguments)
    try:
        yield twin
    finally:
        twin.stop()
