"""The Stripe twin as a process, and questions to its own ledger through its control API."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.processes import ROOT, eventually, http

MONEY_TAKEN = ("charge", "capture")


@dataclass(frozen=True, slots=True)
class Twin:
    """Where one twin listens."""

    api: str
    control: str

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The control API; any refusal fails the test."""
        raw = None if body is None else json.dumps(body).encode()
        answer = http.request(method, self.control + path, body=raw)
        assert answer.status == 200, (path, answer.data)
        return json.loads(answer.data)

    def rows(self, table: str, **filters: object) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.ask("GET", f"/{table}?{urlencode(filters)}")["data"]
        return rows

    def charges(self, event_id: object) -> list[dict[str, Any]]:
        """Every time money was really taken for this payment."""
        rows = self.rows("executions", event_id=event_id)
        return [row for row in rows if row["kind"] in MONEY_TAKEN]

    def refunds(self, payment_intent_id: str) -> list[dict[str, Any]]:
        """Every time money was really given back."""
        return self.rows("executions", payment_intent=payment_intent_id, kind="refund")

    def posts(self, event_id: object) -> list[dict[str, Any]]:
        """Every PaymentIntent creation that carried this payment's metadata."""
        rows = self.rows("requests", event_id=event_id, method="POST")
        return [row for row in rows if row["path"] == "/v1/payment_intents"]

    def fault(self, action: str, **definition: object) -> str:
        return str(self.ask("POST", "/faults", {"action": action, **definition})["id"])

    def clear_faults(self) -> None:
        self.ask("DELETE", "/faults")

    def charge(self, *, key: str, amount_cents: int) -> None:
        """Take money under a key as if it were somebody else's: without our metadata."""
        fields = {
            "amount": amount_cents,
            "currency": "usd",
            "confirm": "true",
            "payment_method": "pm_card_visa",
            "payment_method_types[]": "card",
        }
        self._post("/v1/payment_intents", key, fields)

    def refund(self, payment_intent_id: str) -> None:
        """Give the money back as somebody with Stripe's dashboard would: without our metadata."""
        fields = {"payment_intent": payment_intent_id}
        self._post("/v1/refunds", f"dashboard-{payment_intent_id}", fields)

    def _post(self, path: str, key: str, fields: Mapping[str, object]) -> None:
        answer = http.request(
            "POST",
            self.api + path,
            body=urlencode(fields),
            headers={
                "Authorization": "Bearer sk_test_suite",
                "Content-Type": "application/x-www-form-urlencoded",
                "Idempotency-Key": key,
            },
        )
        assert answer.status == 200, answer.data

    def payment_intent(self, payment_intent_id: str) -> dict[str, Any]:
        answer = http.request(
            "GET",
            f"{self.api}/v1/payment_intents/{payment_intent_id}",
            headers={"Authorization": "Bearer sk_test_suite"},
        )
        found: dict[str, Any] = json.loads(answer.data)
        return found


@contextmanager
def running_twin(directory: Path, *arguments: str) -> Iterator[Twin]:
    """A twin on free ports, stopped at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    log_path = directory / "twin.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bookpayctl.stripe_twin", "--data", str(directory), *arguments],
            stderr=log,
            stdout=log,
            cwd=ROOT,
            start_new_session=True,
        )

    def started() -> re.Match[str] | None:
        assert process.poll() is None, log_path.read_text()
        return re.search(r"listens on (http\S+), control on (http\S+)", log_path.read_text())

    try:
        found = eventually(started, "the twin listens")
        yield Twin(found[1], found[2])
    finally:
        process.terminate()
        process.wait(timeout=30)
