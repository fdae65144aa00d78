"""Stripe as evidence: its lists of objects and, where it keeps one for us, its request journal.

Lists only, never search: a list is consistent at once, search lags. The twin also shows every
request it saw and every charge it executed; a sandbox does not, and there the keys are read from
the events. stripe-mock keeps no ledger at all, which is said and not guessed around.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import urllib3

from bookpayctl.judge.ledgers import (
    ChargeRow,
    IntentRow,
    Stripe,
    StripeEventRow,
    StripeRefundRow,
    StripeRequestRow,
)
from bookpayctl.targets.environment import Environment

REQUEST_TIMEOUT_SECONDS: Final = 15.0
PAGE_SIZE: Final = 100
PAGES_MAX: Final = 20_000
"""Two million objects; more is a runaway loop, not a shop."""

MONEY_TAKEN: Final = frozenset({"charge", "capture"})
"""Kinds of execution in the twin's ledger that move a customer's money to the shop."""

AUDIT_KEY_VARIABLE: Final = "BOOKPAY_AUDIT_STRIPE_KEY"
SANDBOX_HOST: Final = "api.stripe.com"


class StripeReadError(RuntimeError):
    """Stripe could not be read; the message says what was asked and what came back."""


class StripeHasNoLedgerError(StripeReadError):
    """The Stripe in use answers without remembering, so nothing can be proven from it."""


class StripeReader:
    """Reads one Stripe with the judge's own key."""

    def __init__(self, environment: Environment) -> None:
        self._api_base = environment.stripe_api_base.rstrip("/")
        self._control = (environment.stripe_control_url or "").rstrip("/")
        self._key = os.environ.get(AUDIT_KEY_VARIABLE) or environment.secret("stripe-api-key")
        if self._key.startswith(("sk_live_", "rk_live_")):
            raise StripeReadError("a live key is refused here, also for reading; use a test key")
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=3.0, read=REQUEST_TIMEOUT_SECONDS),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, allowed_methods={"GET"}),
        )

    @property
    def is_twin(self) -> bool:
        return bool(self._control)

    @property
    def keeps_a_ledger(self) -> bool:
        return self.is_twin or SANDBOX_HOST in self._api_base

    def objects(self, resource: str, **filters: str) -> Iterator[dict[str, Any]]:
        """Every object of `/v1/<resource>`, newest first, page by page."""
        after: dict[str, str] = {}
        for _ in range(PAGES_MAX):
            fields = {"limit": str(PAGE_SIZE), **filters, **after}
            page = self._get(f"{self._api_base}/v1/{resource}", fields)
            yield from page["data"]
            if not page.get("has_more"):
                return
            after = {"starting_after": page["data"][-1]["id"]}
        raise StripeReadError(f"/v1/{resource} has no end after {PAGES_MAX} pages")

    def intent(self, payment_intent_id: str) -> dict[str, Any]:
        return self._get(f"{self._api_base}/v1/payment_intents/{payment_intent_id}", {})

    def requests(self, **filters: str) -> list[dict[str, Any]]:
        """The twin's journal of requests, oldest first; needs the twin."""
        return list(self._journal("requests", filters))

    def executions(self, **filters: str) -> list[dict[str, Any]]:
        """The twin's ledger of what it executed, oldest first; needs the twin."""
        return list(self._journal("executions", filters))

    def money_taken(self, **filters: str) -> list[dict[str, Any]]:
        """The executions that took money; declines, authorizations and refunds are left out."""
        return [row for row in self.executions(**filters) if row["kind"] in MONEY_TAKEN]

    def executed_keys(self) -> list[str]:
        """The charge key behind each charge Stripe made, once per charge.

        The twin names the key of each execution; elsewhere it is the event_id in the metadata,
        which the PaymentIntent hands to its charges.

        Raises:
            StripeHasNoLedgerError: stripe-mock, which makes no charges.
        """
        if self.is_twin:
            rows = self.money_taken()
            return [str(row["event_id"] or row["idempotency_key"]) for row in rows]
        if not self.keeps_a_ledger:
            raise StripeHasNoLedgerError("stripe-mock makes no charges that could be counted")
        charges = self.objects("charges")
        return [str((row.get("metadata") or {}).get("event_id", "")) for row in charges]

    def _journal(self, name: str, filters: dict[str, str]) -> Iterator[dict[str, Any]]:
        if not self.is_twin:
            raise StripeHasNoLedgerError(f"only the twin shows its {name}")
        yield from self._get(f"{self._control}/{name}", filters)["data"]

    def _get(self, url: str, fields: dict[str, str]) -> dict[str, Any]:
        try:
            response = self._pool.request(
                "GET", url, fields=fields, headers={"Authorization": f"Bearer {self._key}"}
            )
        except urllib3.exceptions.HTTPError as error:
            raise StripeReadError(f"GET {url}: {error}") from error
        if response.status != 200:
            raise StripeReadError(f"GET {url} answered {response.status}")
        try:
            document = json.loads(response.data)
        except ValueError as error:
            raise StripeReadError(f"GET {url} did not answer JSON") from error
        return document  # type: ignore[no-any-return]


def read_stripe(environment: Environment) -> Stripe:
    """Read Stripe's whole side of the judgement.

    Raises:
        StripeHasNoLedgerError: stripe-mock, which remembers nothing.
        StripeReadError: it could not be read, so nothing may be concluded.
    """
    reader = StripeReader(environment)
    if not reader.keeps_a_ledger:
        raise StripeHasNoLedgerError(
            "this Stripe keeps no ledger (stripe-mock), so who was charged cannot be proven"
        )
    # Lists are paged and each page waits for the one before it, so the lists go side by side.
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="stripe-list") as pool:
        intents = pool.submit(lambda: tuple(map(_intent, reader.objects("payment_intents"))))
        charges = pool.submit(lambda: tuple(map(_charge, reader.objects("charges"))))
        refunds = pool.submit(lambda: tuple(map(_refund, reader.objects("refunds"))))
        events = pool.submit(lambda: tuple(map(_event, reader.objects("events"))))
        requests = None
        if reader.is_twin:
            requests = tuple(map(_request, reader.requests(method="POST")))
        return Stripe(
            intents.result(), charges.result(), refunds.result(), events.result(), requests
        )


def _intent(row: dict[str, Any]) -> IntentRow:
    metadata = row.get("metadata") or {}
    return IntentRow(
        row["id"],
        row["status"],
        row["amount"],
        row["currency"],
        metadata.get("event_id"),
        metadata.get("order_id"),
        metadata.get("env"),
        metadata.get("shadow") == "true",
    )


def _charge(row: dict[str, Any]) -> ChargeRow:
    return ChargeRow(
        row["id"],
        row.get("payment_intent"),
        row["status"],
        row["amount"],
        row["currency"],
        row.get("amount_refunded") or 0,
    )


def _refund(row: dict[str, Any]) -> StripeRefundRow:
    return StripeRefundRow(
        row["id"], row.get("payment_intent"), row.get("charge"), row["status"], row["amount"]
    )


def _event(row: dict[str, Any]) -> StripeEventRow:
    return StripeEventRow(
        row["id"],
        row["type"],
        (row.get("data") or {}).get("object", {}).get("id"),
        (row.get("request") or {}).get("idempotency_key"),
    )


def _request(row: dict[str, Any]) -> StripeRequestRow:
    return StripeRequestRow(
        row.get("idempotency_key"),
        row["path"],
        row["body_sha256"],
        bool(row["executed"]),
        row.get("env"),
        row.get("object_id"),
    )
