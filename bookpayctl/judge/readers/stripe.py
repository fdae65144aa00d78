"""Stripe as evidence: its lists of objects and, where it keeps one for us, its request journal.

The twin also shows every request it saw and every charge it executed; a sandbox does not, and
there the keys are read from the objects. stripe-mock keeps no ledger at all, which is said and not
guessed around.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from bookpayctl.clients.stripe_api import Collection, StripeApi, StripeReadError
from bookpayctl.clients.stripe_twin import TwinControl, TwinError
from bookpayctl.judge.readers.tap import is_executed, read_tap
from bookpayctl.judge.rows import (
    ChargeRow,
    IntentRow,
    Stripe,
    StripeDisputeRow,
    StripeEventRow,
    StripeRefundRow,
    StripeRequestRow,
)
from bookpayctl.targets.environment import Environment

__all__ = ["StripeHasNoLedgerError", "StripeReadError", "StripeReader", "read_stripe"]

MONEY_TAKEN: Final = frozenset({"charge", "capture"})
"""Kinds of execution in the twin's ledger that move a customer's money to the shop."""

AUDIT_KEY_VARIABLE: Final = "BOOKPAY_AUDIT_STRIPE_KEY"
SANDBOX_HOST: Final = "api.stripe.com"
CREATE_PATH: Final = "/v1/payment_intents"

NO_LEDGER: Final = "this Stripe keeps no ledger (stripe-mock): who was charged cannot be proven"


class StripeHasNoLedgerError(StripeReadError):
    """The Stripe in use answers without remembering, so nothing can be proven from it."""


class StripeReader:
    """Reads one Stripe with the judge's own key."""

    def __init__(self, environment: Environment) -> None:
        key = os.environ.get(AUDIT_KEY_VARIABLE) or environment.secret("stripe-api-key")
        self._api = StripeApi(environment.stripe_api_base, key)
        control_url = environment.stripe_control_url
        self._twin = None if control_url is None else TwinControl(control_url)
        self._tap_journal = environment.tap_journal
        self._endpoint_url = environment.endpoint_url
        host = urlsplit(environment.stripe_api_base).hostname
        self._remembers = True if self._twin is not None or host == SANDBOX_HOST else None

    @property
    def is_twin(self) -> bool:
        return self._twin is not None

    @property
    def keeps_a_ledger(self) -> bool:
        """Whether this Stripe remembers what it made; one that is not known is asked, once.

        Raises:
            StripeReadError: it did not say.
        """
        if self._remembers is None:
            self._remembers = self._api.remembers()
        return self._remembers

    def objects(self, collection: Collection, **filters: str) -> Iterator[dict[str, Any]]:
        """Every object of one collection, newest first."""
        return self._api.objects(collection, **filters)

    def intent(self, payment_intent_id: str) -> dict[str, Any]:
        return self._api.payment_intent(payment_intent_id)

    @property
    def is_tapped(self) -> bool:
        """Whether a recording tap stands between the gateway and this Stripe."""
        return self._tap_journal is not None

    def requests(self, **filters: str) -> list[dict[str, Any]]:
        """The journal of requests, oldest first: the twin's, else the recording tap's."""
        if self.is_twin or self._tap_journal is None:
            return self._journal("requests", filters)
        names = {"key": "idempotency_key"}
        return [
            row
            for row in read_tap(self._tap_journal)
            if all(row[names.get(name, name)] == value for name, value in filters.items())
        ]

    def tapped(self) -> list[dict[str, Any]]:
        """What the recording tap saw the gateway ask, oldest first; needs the tap."""
        if self._tap_journal is None:
            raise StripeHasNoLedgerError("no recording tap stands here (`bookpayctl up --tap`)")
        return read_tap(self._tap_journal)

    def executions(self, **filters: str) -> list[dict[str, Any]]:
        """The twin's ledger of what it executed, oldest first; needs the twin."""
        return self._journal("executions", filters)

    def delivered(self) -> frozenset[str]:
        """Events that our endpoint acknowledged; attempts that a fault spoilt do not count."""
        endpoints = self.objects("webhook_endpoints")
        ours = {row["id"] for row in endpoints if row["url"] == self._endpoint_url}
        return frozenset(
            str(row["event_id"])
            for row in self._journal("deliveries", {"outcome": "delivered"})
            if row["endpoint_id"] in ours and not row["fault"]
        )

    def money_taken(self, **filters: str) -> list[dict[str, Any]]:
        """The executions that took money; declines, authorizations and refunds are left out."""
        return [row for row in self.executions(**filters) if row["kind"] in MONEY_TAKEN]

    def charges_of(self, event_id: str) -> list[dict[str, Any]]:
        """What was taken for one payment: `charge`, `amount` and `currency` of each."""
        if self.is_twin:
            return self.money_taken(event_id=event_id)
        return [
            {"charge": row["id"], "amount": row["amount"], "currency": row["currency"]}
            for row in self.objects("charges")
            if row["status"] == "succeeded"
            and (row.get("metadata") or {}).get("event_id") == event_id
        ]

    def executed_keys(self) -> list[str]:
        """The charge key behind each charge Stripe made, once per charge.

        The twin names the key of each execution; elsewhere it is the event_id in the metadata,
        which the PaymentIntent hands to its charges.

        A Stripe that keeps no ledger makes no charges; there each creation that went through the
        recording tap stands for one.

        Raises:
            StripeHasNoLedgerError: stripe-mock, and no tap before it.
        """
        if self.is_twin:
            rows = self.money_taken()
            return [str(row["event_id"] or row["idempotency_key"]) for row in rows]
        if not self.keeps_a_ledger:
            if not self.is_tapped:
                raise StripeHasNoLedgerError(NO_LEDGER)
            return [str(row["idempotency_key"]) for row in self.tapped() if is_creation(row)]
        charges = self.objects("charges")
        return [str((row.get("metadata") or {}).get("event_id", "")) for row in charges]

    def _journal(self, name: str, filters: dict[str, str]) -> list[dict[str, Any]]:
        if self._twin is None:
            raise StripeHasNoLedgerError(f"only the twin shows its {name}")
        try:
            return self._twin.rows(name, **filters)
        except TwinError as error:
            raise StripeReadError(str(error)) from error


def is_creation(row: dict[str, Any]) -> bool:
    """Whether a request asked Stripe to make a PaymentIntent."""
    return (row["method"], row["path"]) == ("POST", CREATE_PATH)


def read_tapped(environment: Environment) -> tuple[StripeRequestRow, ...] | None:
    """The POSTs that the recording tap saw; None where none stands.

    Raises:
        StripeReadError: its journal cannot be read.
    """
    if environment.tap_journal is None:
        return None
    return tuple(
        _request({**row, "executed": is_executed(row)})
        for row in read_tap(environment.tap_journal)
        if row["method"] == "POST"
    )


def why_nothing_is_paid(environment: Environment) -> str | None:
    """Why no payment can end here, so that nothing is begun that waits for it; None if it can.

    A Stripe that does not answer may be back in a moment, and the steady state asks for more.
    """
    try:
        forgets = not StripeReader(environment).keeps_a_ledger
    except StripeReadError:
        return None
    if forgets:
        return f"{NO_LEDGER}, and nobody closes its payments; use the twin or a sandbox"
    return None


def read_stripe(environment: Environment) -> Stripe:
    """Read Stripe's whole side of the judgement.

    Raises:
        StripeHasNoLedgerError: stripe-mock, which remembers nothing.
        StripeReadError: it could not be read, so nothing may be concluded.
    """
    reader = StripeReader(environment)
    if not reader.keeps_a_ledger:
        raise StripeHasNoLedgerError(NO_LEDGER)
    # Lists are paged and each page waits for the one before it, so the lists go side by side.
    with ThreadPoolExecutor(max_workers=5, thread_name_prefix="stripe-list") as pool:
        intents = pool.submit(lambda: tuple(map(_intent, reader.objects("payment_intents"))))
        charges = pool.submit(lambda: tuple(map(_charge, reader.objects("charges"))))
        refunds = pool.submit(lambda: tuple(map(_refund, reader.objects("refunds"))))
        events = pool.submit(lambda: tuple(map(_event, reader.objects("events"))))
        disputes = pool.submit(lambda: tuple(map(_dispute, reader.objects("disputes"))))
        requests = delivered = None
        if reader.is_twin:
            requests = tuple(map(_request, reader.requests(method="POST")))
            delivered = reader.delivered()
        return Stripe(
            intents.result(),
            charges.result(),
            refunds.result(),
            events.result(),
            requests,
            disputes.result(),
            delivered,
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
        _time(row),
    )


def _refund(row: dict[str, Any]) -> StripeRefundRow:
    return StripeRefundRow(
        row["id"],
        row.get("payment_intent"),
        row.get("charge"),
        row["status"],
        row["amount"],
        (row.get("metadata") or {}).get("refund_id"),
        _time(row),
    )


def _dispute(row: dict[str, Any]) -> StripeDisputeRow:
    return StripeDisputeRow(
        row["id"],
        row.get("payment_intent"),
        row.get("charge"),
        row["status"],
        row["amount"],
        _time(row),
    )


def _time(row: dict[str, Any]) -> datetime | None:
    created = row.get("created")
    return None if created is None else datetime.fromtimestamp(created, UTC)


def _event(row: dict[str, Any]) -> StripeEventRow:
    return StripeEventRow(
        row["id"],
        row["type"],
        (row.get("data") or {}).get("object", {}).get("id"),
        (row.get("request") or {}).get("idempotency_key"),
        _time(row),
    )


def _request(row: dict[str, Any]) -> StripeRequestRow:
    return StripeRequestRow(
        row.get("idempotency_key"),
        row["path"],
        row["body_sha256"],
        bool(row["executed"]),
        row.get("env"),
        row.get("object_id"),
        row.get("request_id"),
    )
