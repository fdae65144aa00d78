"""The worker's and the reconciler's way to the payments gateway.

Every call has a deadline and no retry of its own: retries are visible, in the database. Whatever
is not a clear answer is `Unknown`, because the request may have reached Stripe.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from runtime.config import GatewayClientConfig
from runtime.domain import outcome_document
from runtime.domain.money import Money, read_money
from runtime.domain.names import NOT_SENT_HEADER, PaymentIntentId
from runtime.domain.outcome import Outcome, Retry, Unknown
from runtime.faults import http
from runtime.faults.http import OnSent
from runtime.lifecycle import Readiness
from runtime.telemetry import Outage

T = TypeVar("T")

CONNECT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """What the gateway needs to charge an order once."""

    event_id: UUID
    order_id: str
    tenant_id: str
    money: Money
    payment_method: str | None


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """The gateway's answer, parsed, with what the logs and the judge want to know."""

    outcome: Outcome
    stripe_request_id: str | None = None
    stripe_refund_id: str | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class FoundIntent:
    """A PaymentIntent as a list or a retrieve shows it.

    Attributes:
        money: None when it is no amount that a charge of ours can have.
        received_cents: what Stripe has of it; None where it does not say.
    """

    payment_intent_id: PaymentIntentId
    status: str
    code: str | None
    money: Money | None
    received_cents: int | None


@dataclass(frozen=True, slots=True)
class FoundRefund:
    """A refund as Stripe's list shows it; `refund_id` is ours, None for somebody else's.

    Attributes:
        money: None when it is no amount that a charge of ours can have.
    """

    stripe_refund_id: str
    status: str
    money: Money | None
    failure_code: str | None
    refund_id: str | None
    payment_intent_id: PaymentIntentId | None = None
    charge_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FoundDispute:
    """A dispute as Stripe's list shows it; `money` is None when it is no amount of a charge."""

    stripe_dispute_id: str
    status: str
    money: Money | None
    payment_intent_id: PaymentIntentId | None
    charge_id: str | None
    reason: str | None


class GatewayUnavailableError(Exception):
    """A question to the gateway was not answered; ask again later."""


class GatewayClient:
    """A pooled HTTP client; safe to share between threads."""

    def __init__(self, config: GatewayClientConfig, *, connections_max: int) -> None:
        parts = urlsplit(config.url)
        self._prefix = parts.path.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {config.token}",
            "Content-Type": "application/json",
        }
        # A read time-out begins anew with every read. An answer that trickles in is ended by the
        # gateway, whose own deadline is shorter.
        timeout = urllib3.Timeout(
            connect=CONNECT_SECONDS,
            read=config.deadlines.worker_http_seconds,
            total=config.deadlines.worker_http_seconds,
        )
        self._http = http.POOLS[parts.scheme](
            parts.hostname or "",
            parts.port,
            maxsize=connections_max,
            # No waiting for a connection: the caller's threads are the limit, and a wait would eat
            # up its lease.
            block=False,
            timeout=timeout,
        )

    def charge(self, request: ChargeRequest, *, traceparent: str | None) -> GatewayAnswer:
        """POST /charge; never raises for what the network does."""
        body: dict[str, Any] = {
            "event_id": str(request.event_id),
            "order_id": request.order_id,
            "tenant_id": request.tenant_id,
            "amount_cents": request.money.amount_cents,
            "currency": request.money.currency,
        }
        if request.payment_method is not None:
            body["payment_method"] = request.payment_method
        return self._post("/charge", body, traceparent)

    def refund(
        self,
        *,
        key: str,
        payment_intent_id: str,
        money: Money,
        refund_id: UUID,
        traceparent: str | None = None,
        on_sent: OnSent | None = None,
    ) -> GatewayAnswer:
        """POST /refund with the key that was stored before this call.

        Args:
            on_sent: told when the request has left and before any of its answer is read.
        """
        body = {
            "key": key,
            "payment_intent_id": payment_intent_id,
            # Stripe gives back in the currency of the charge and takes no other.
            "amount_cents": money.amount_cents,
            "refund_id": str(refund_id),
        }
        # Drills stand between a refund and its answer; without one this tells nobody.
        with http.telling(on_sent):
            return self._post("/refund", body, traceparent)

    def cancel(self, *, event_id: UUID, payment_intent_id: str) -> GatewayAnswer:
        """POST /cancel: end a PaymentIntent that has not moved money."""
        body = {"event_id": str(event_id), "payment_intent_id": payment_intent_id}
        return self._post("/cancel", body, None)

    def retrieve(self, payment_intent_id: str) -> FoundIntent | None:
        """Ask what a PaymentIntent is now; None when Stripe does not know it.

        Raises:
            GatewayUnavailableError: no clear answer.
        """

        def parse(body: Any) -> FoundIntent | None:
            return _found(body["payment_intent"]) if body["payment_intent"] else None

        # Quoted whole: a slash in an id must not choose another path.
        return self._get(f"/payment-intents/{quote(payment_intent_id, safe='')}", parse)

    def find(self, *, event_id: UUID, created_gte: int, created_lte: int) -> list[FoundIntent]:
        """List PaymentIntents created in a window (Unix seconds) for this event.

        Raises:
            GatewayUnavailableError: no clear answer; an empty list is a clear one.
        """
        # Both ends: an open window would hold more with every later order.
        window = {"created_gte": created_gte, "created_lte": created_lte}
        query = urlencode({**window, "event_id": str(event_id)})
        return self._get(
            f"/payment-intents?{query}", lambda body: [_found(entry) for entry in body["data"]]
        )

    def refunds_of(self, payment_intent_id: str) -> list[FoundRefund]:
        """Every refund of a PaymentIntent, newest first.

        Raises:
            GatewayUnavailableError: no clear answer; an empty list is a clear one.
        """
        query = urlencode({"payment_intent_id": payment_intent_id})
        return self._get(
            f"/refunds?{query}", lambda body: [_found_refund(entry) for entry in body["data"]]
        )

    def disputes_of(self, payment_intent_id: str) -> list[FoundDispute]:
        """Every dispute of a PaymentIntent, newest first; raises as `refunds_of` does."""
        query = urlencode({"payment_intent_id": payment_intent_id})
        return self._get(
            f"/disputes?{query}", lambda body: [_found_dispute(entry) for entry in body["data"]]
        )

    def moved(
        self, *, created_gte: int, created_lte: int
    ) -> tuple[list[FoundRefund], list[FoundDispute]]:
        """Refunds and disputes of the whole account, created in a window (Unix seconds).

        Raises:
            GatewayUnavailableError: no clear answer, or more than one look can read.
        """
        query = urlencode({"created_gte": created_gte, "created_lte": created_lte})
        return self._get(
            f"/moved?{query}",
            lambda body: (
                [_found_refund(entry) for entry in body["refunds"]],
                [_found_dispute(entry) for entry in body["disputes"]],
            ),
        )

    def is_ready(self) -> bool:
        """Whether the gateway says it can reach Stripe."""
        try:
            # Asked once a second: a yes that takes longer than this is no yes.
            answer = self._send("GET", "/readyz", timeout=CONNECT_SECONDS)
        except HTTPError:
            return False
        return answer.status == 200

    def _send(self, method: str, path: str, **named: Any) -> urllib3.BaseHTTPResponse:
        # No retries: a second request would be one that no row knows of.
        url = self._prefix + path
        return self._http.urlopen(method, url, redirect=False, retries=False, **named)

    def _post(self, path: str, body: Mapping[str, Any], traceparent: str | None) -> GatewayAnswer:
        headers = {**self._headers, **({"traceparent": traceparent} if traceparent else {})}
        try:
            answer = self._send("POST", path, body=json.dumps(body).encode(), headers=headers)
        except (NewConnectionError, NameResolutionError, urllib3.exceptions.ConnectTimeoutError):
            # Nothing left this machine: the gateway is away, and nobody was charged.
            return GatewayAnswer(Retry("gateway unreachable", unreached=True))
        except HTTPError as error:
            # The request may have left, whole or in part: nobody here can know.
            return GatewayAnswer(Unknown(f"gateway: {type(error).__name__}"))
        return parse_answer(answer.status, answer.headers, answer.data)

    def _get(self, path: str, parse: Callable[[Any], T]) -> T:
        """Ask a question of which a repetition costs nothing.

        Args:
            parse: takes the parsed body apart; whatever it meets that is not there raises.
        """
        try:
            answer = self._send("GET", path, headers=self._headers)
        except HTTPError as error:
            raise GatewayUnavailableError(type(error).__name__) from error
        if answer.status != 200:
            raise GatewayUnavailableError(f"http {answer.status}")
        content_type = answer.headers.get("Content-Type")
        document = outcome_document.read(answer.data, content_type, outcome_document.DOCUMENT_TYPE)
        if document is None:
            raise GatewayUnavailableError("an answer that is not the gateway's")
        try:
            return parse(document)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Half an answer is none: what Stripe holds is not known until all of it was read.
            raise GatewayUnavailableError("unreadable answer") from error


def parse_answer(status: int, headers: Mapping[str, str], body: bytes) -> GatewayAnswer:
    """The gateway's answer to a POST: its outcome, its own refusal, or nothing that is known."""
    content_type = headers.get("Content-Type")
    if status != 200:
        problem = outcome_document.read(body, content_type, outcome_document.PROBLEM_TYPE)
        # The gateway's word that Stripe was not asked.
        not_sent = headers.get(NOT_SENT_HEADER) == "true"
        retry_after = headers.get("Retry-After")
        return GatewayAnswer(
            outcome_document.refusal(status, problem, retry_after, not_sent=not_sent)
        )
    document = outcome_document.read(body, content_type, outcome_document.DOCUMENT_TYPE)
    outcome = outcome_document.decode(document)
    if document is None:
        return GatewayAnswer(outcome)
    return GatewayAnswer(
        outcome,
        _text(document, "stripe_request_id"),
        _text(document, "stripe_refund_id"),
        # Shown in logs; what it means for the outcome is decided with the outcome.
        document.get("replayed") is True,
    )


def _text(document: Mapping[str, object], name: str) -> str | None:
    """A field for logs and look-ups; one that is no text costs a hint, never the outcome."""
    value = document.get(name)
    return value if isinstance(value, str) else None


def _found(entry: Mapping[str, Any]) -> FoundIntent:
    received = entry["amount_received_cents"]
    if not isinstance(received, int | None) or not isinstance(entry["status"], str):
        raise TypeError("amount_received_cents or status")
    return FoundIntent(
        PaymentIntentId(entry["id"]),
        entry["status"],
        entry.get("code"),
        read_money(entry["amount_cents"], entry["currency"]),
        received,
    )


def _found_refund(entry: Mapping[str, Any]) -> FoundRefund:
    return FoundRefund(
        str(entry["id"]),
        str(entry["status"]),
        read_money(entry["amount_cents"], entry["currency"]),
        entry.get("failure_code"),
        entry.get("refund_id"),
        entry.get("payment_intent_id"),
        entry.get("charge_id"),
        entry.get("reason"),
    )


def _found_dispute(entry: Mapping[str, Any]) -> FoundDispute:
    return FoundDispute(
        str(entry["id"]),
        str(entry["status"]),
        read_money(entry["amount_cents"], entry["currency"]),
        entry.get("payment_intent_id"),
        entry.get("charge_id"),
        entry.get("reason"),
    )


CHECK: Final = "gateway"
"""The name of the condition in /readyz."""

WATCHED_SECONDS: Final = 60.0
"""How long a word that it answers counts without being said again."""


UNHEARD_SECONDS: Final = 10.0
"""How long one that has not answered yet may be starting; after that it is away."""


def watch(
    gateway: GatewayClient,
    readiness: Readiness,
    stop: threading.Event,
    outage: Outage | None = None,
) -> None:
    """Keep readiness `gateway` true to the gateway, from a thread of its own.

    Args:
        outage: told when the gateway goes and comes back; None where the calls themselves tell.
    """

    def look() -> None:
        holds = met = False
        began = time.monotonic()
        # Quick while it is missing, so that a start is not a second longer than it has to be.
        while not stop.wait(1.0 if holds else 0.1):
            holds = gateway.is_ready()
            readiness.set(
                CHECK,
                holds,
                "payments-gateway does not answer or is not ready",
                within_seconds=WATCHED_SECONDS if holds else None,
            )
            met = met or holds
            if outage is None:
                continue
            if holds:
                outage.recovered()
            elif met or time.monotonic() - began >= UNHEARD_SECONDS:
                outage.failed(GatewayUnavailableError("it does not answer, or is not ready"))

    readiness.expect(CHECK)
    threading.Thread(target=look, name="gateway-watch", daemon=True).start()
