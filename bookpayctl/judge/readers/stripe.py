"""Stripe as evidence: its lists of objects and, where it keeps one for us, its request journal.

The twin also shows every request it saw and every charge it executed; a sandbox does not, and
there the keys are read from the objects. stripe-mock keeps no ledger at all, which is said and not
guessed around.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from bookpayctl.clients.stripe_api import Collection, StripeApi, StripeReadError
from bookpayctl.clients.stripe_twin import TwinControl, TwinError
from bookpayctl.judge.ledgers.absence import Absence
from bookpayctl.judge.ledgers.sink import Value
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.mapping.redaction import redacted
from bookpayctl.judge.readers.stripe_lists import Observer, PageReader, read_side_by_side
from bookpayctl.judge.readers.tap import is_executed, read_tap
from bookpayctl.targets.environment import Environment

__all__ = ["StripeHasNoLedgerError", "StripeReadError", "StripeReader", "read_stripe"]

MONEY_TAKEN: Final = frozenset({"charge", "capture"})
"""Kinds of execution in the twin's ledger that move a customer's money to the shop."""

AUDIT_KEY_VARIABLE: Final = "BOOKPAY_AUDIT_STRIPE_KEY"
SANDBOX_HOST: Final = "api.stripe.com"
CREATE_PATH: Final = "/v1/payment_intents"

DELIVERIES: Final = "stripe_deliveries"
REQUESTS: Final = "stripe_requests"

NO_DELIVERIES: Final = "only the twin shows what it delivered"
NO_LEDGER: Final = "this Stripe keeps no ledger (stripe-mock): who was charged cannot be proven"


@dataclass(frozen=True, slots=True)
class MetadataKeys:
    """Under which keys of its metadata a Stripe object names what it is for; None: under none.

    `salt` makes a digest of the order's id, None leaves it as it is.
    """

    order_id: str | None = None
    event_id: str | None = None
    environment: str | None = None
    shadow: str | None = None
    refund_id: str | None = None
    salt: str | None = None


OUR_METADATA: Final = MetadataKeys("order_id", "event_id", "env", "shadow", "refund_id")

RowOf = Callable[[dict[str, Any], MetadataKeys], dict[str, Value]]


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

    @property
    def page(self) -> PageReader:
        """Asks for one page of a list."""
        return self._api.page

    def intent(self, payment_intent_id: str) -> dict[str, Any]:
        return self._api.payment_intent(payment_intent_id)

    @property
    def is_tapped(self) -> bool:
        """Whether a recording tap stands between the gateway and this Stripe."""
        return self._tap_journal is not None

    def requests(self, **filters: str) -> Iterator[dict[str, Any]]:
        """The journal of requests, oldest first: the twin's, else the recording tap's."""
        if self.is_twin or self._tap_journal is None:
            return self._journal("requests", filters)
        names = {"key": "idempotency_key"}
        return (
            row
            for row in read_tap(self._tap_journal)
            if all(row[names.get(name, name)] == value for name, value in filters.items())
        )

    def tapped(self) -> list[dict[str, Any]]:
        """What the recording tap saw the gateway ask, oldest first; needs the tap."""
        if self._tap_journal is None:
            raise StripeHasNoLedgerError("no recording tap stands here (`bookpayctl up --tap`)")
        return read_tap(self._tap_journal)

    def executions(self, **filters: str) -> Iterator[dict[str, Any]]:
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

    def _journal(self, name: str, filters: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Row by row: a journal has one for each request that there ever was."""
        if self._twin is None:
            raise StripeHasNoLedgerError(f"only the twin shows its {name}")
        try:
            yield from self._twin.each(name, filters)
        except TwinError as error:
            raise StripeReadError(str(error)) from error


def is_creation(row: dict[str, Any]) -> bool:
    """Whether a request asked Stripe to make a PaymentIntent."""
    return (row["method"], row["path"]) == ("POST", CREATE_PATH)


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


def read_stripe(
    environment: Environment, ledgers: LedgerWriter, observe: Observer
) -> dict[str, Absence]:
    """Read Stripe's whole side of the judgement; what it does not show is returned by table.

    Raises:
        StripeHasNoLedgerError: stripe-mock, which remembers nothing.
        StripeReadError: it could not be read, so nothing may be concluded.
        StoreError: what was read could not be kept.
    """
    reader = StripeReader(environment)
    if not reader.keeps_a_ledger:
        raise StripeHasNoLedgerError(NO_LEDGER)
    read_lists(reader.page, ledgers, OUR_METADATA, observe)
    if not reader.is_twin:
        return {DELIVERIES: Absence(NO_DELIVERIES, chosen=True)}
    with ledgers.sink(DELIVERIES) as delivered:
        for event_id in sorted(reader.delivered()):
            delivered.put({"stripe_event_id": event_id})
    ledgers.keep(delivered)
    return {}


def read_lists(
    read_page: PageReader,
    ledgers: LedgerWriter,
    metadata: MetadataKeys,
    observe: Observer,
    *,
    since: int | None = None,
) -> None:
    """Read every list of an account; rows come in no order, which nothing that reads them needs.

    All of them or none: what stands on several lists would take one that is missing for an empty
    one.

    Raises:
        StripeReadError: one could not be read to its end.
        StoreError: what was read could not be kept.
    """
    sinks = {name: ledgers.sink(name) for name in LISTS}
    takers = {collection: (sinks[name], row_of) for name, (collection, row_of) in LISTS.items()}

    def take(collection: Collection, objects: Sequence[dict[str, Any]]) -> None:
        sink, row_of = takers[collection]
        for found in objects:
            sink.put(row_of(found, metadata))

    with ExitStack() as held:
        for sink in sinks.values():
            held.enter_context(sink)
        read_side_by_side(read_page, tuple(takers), take, observe, since=since)
    ledgers.keep(*sinks.values())


def read_requests(environment: Environment, ledgers: LedgerWriter) -> bool:
    """Read the POSTs that reached Stripe: the twin's journal, else what the recording tap saw.

    Returns:
        Whether there is such a journal.

    Raises:
        StripeReadError: there is one, and it cannot be read.
        StoreError: what was read could not be kept.
    """
    reader = StripeReader(environment)
    if reader.is_twin:
        found = reader.requests(method="POST")
    elif reader.is_tapped:
        posts = (row for row in reader.tapped() if row["method"] == "POST")
        found = ({**row, "executed": is_executed(row)} for row in posts)
    else:
        return False
    with ledgers.sink(REQUESTS) as requests:
        for row in found:
            requests.put(_request(row))
    ledgers.keep(requests)
    return True


def _intent(row: dict[str, Any], keys: MetadataKeys) -> dict[str, Value]:
    metadata = row.get("metadata") or {}
    return {
        "payment_intent_id": row["id"],
        "status": row["status"],
        "amount": row["amount"],
        "currency": row["currency"],
        "event_id": metadata.get(keys.event_id),
        "order_id": redacted(metadata.get(keys.order_id), keys.salt),
        "environment": metadata.get(keys.environment),
        "shadow": metadata.get(keys.shadow) == "true",
        "created_at": _time(row),
    }


def _charge(row: dict[str, Any], _keys: MetadataKeys) -> dict[str, Value]:
    return {
        "charge_id": row["id"],
        "payment_intent_id": row.get("payment_intent"),
        "status": row["status"],
        "amount": row["amount"],
        "currency": row["currency"],
        "amount_refunded": row.get("amount_refunded") or 0,
        "created_at": _time(row),
    }


def _refund(row: dict[str, Any], keys: MetadataKeys) -> dict[str, Value]:
    return {
        "stripe_refund_id": row["id"],
        "payment_intent_id": row.get("payment_intent"),
        "charge_id": row.get("charge"),
        "status": row["status"],
        "amount": row["amount"],
        "refund_id": (row.get("metadata") or {}).get(keys.refund_id),
        "created_at": _time(row),
    }


def _dispute(row: dict[str, Any], _keys: MetadataKeys) -> dict[str, Value]:
    return {
        "stripe_dispute_id": row["id"],
        "payment_intent_id": row.get("payment_intent"),
        "charge_id": row.get("charge"),
        "status": row["status"],
        "amount": row["amount"],
        "created_at": _time(row),
    }


def _event(row: dict[str, Any], _keys: MetadataKeys) -> dict[str, Value]:
    return {
        "stripe_event_id": row["id"],
        "type": row["type"],
        "object_id": (row.get("data") or {}).get("object", {}).get("id"),
        "idempotency_key": (row.get("request") or {}).get("idempotency_key"),
        "created_at": _time(row),
    }


def _request(row: dict[str, Any]) -> dict[str, Value]:
    return {
        "idempotency_key": row.get("idempotency_key"),
        "path": row["path"],
        "body_sha256": row["body_sha256"],
        "executed": bool(row["executed"]),
        "environment": row.get("env"),
        "object_id": row.get("object_id"),
        "request_id": row.get("request_id"),
    }


def _time(row: dict[str, Any]) -> Value:
    """When it was made; a number that is no time stays one, and the ledger says so."""
    created = row.get("created")
    if created is None:
        return None
    try:
        return datetime.fromtimestamp(created, UTC)
    except (OverflowError, OSError, ValueError, TypeError):
        return str(created)


LISTS: Final[dict[str, tuple[Collection, RowOf]]] = {
    "stripe_payment_intents": ("payment_intents", _intent),
    "stripe_charges": ("charges", _charge),
    "stripe_refunds": ("refunds", _refund),
    "stripe_events": ("events", _event),
    "stripe_disputes": ("disputes", _dispute),
}
"""What is listed, by the table that it fills."""
