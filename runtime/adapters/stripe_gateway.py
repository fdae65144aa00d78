"""Stripe through its official SDK, reduced to answers the domain can judge.

Every POST carries a key its caller stored before; the SDK's own retries and telemetry are off,
because retries here are visible, bounded and in the database. What the SDK raises is translated
once, in `_answer_of_error`.

Source:
    stripe-python 16: StripeClient, RequestsClient, StripeError. No SDK reads STRIPE_API_BASE; it
    is mapped to `base_addresses` here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import requests
import stripe
from requests.adapters import HTTPAdapter
from stripe import StripeResponse
from urllib3.exceptions import NewConnectionError

from runtime.config import GatewayConfig
from runtime.domain.money import Money
from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome_document import seconds_of_header
from runtime.domain.stripe_answers import Answer

CONNECT_SECONDS: Final = 2.0
LIST_PAGE: Final = 100

# Stripe documents no upper bound on list length; a window of minutes at our rates is far below.
LIST_MAX: Final = 20_000


class ListTooLongError(Exception):
    """The window holds more than `LIST_MAX` objects; narrow it."""


@dataclass(frozen=True, slots=True)
class Call:
    """What one call to Stripe came to.

    Attributes:
        stripe_object: the parsed 2xx body; empty when there was none.
    """

    answer: Answer
    request_id: str | None
    stripe_object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Charge:
    """One confirmed PaymentIntent to create; `key` names it for ever."""

    key: str
    money: Money
    payment_method: str
    payment_method_type: str
    metadata: Mapping[str, str]


class StripeGateway:
    """The only holder of the Stripe key; safe to share between threads."""

    def __init__(self, config: GatewayConfig) -> None:
        # It would send the timing of each request along with the next one.
        stripe.enable_telemetry = False
        timeout = (CONNECT_SECONDS, config.deadlines.stripe_seconds)
        self._client = stripe.StripeClient(
            config.stripe_api_key,
            base_addresses={"api": config.stripe_api_base},
            # A retry inside the SDK would be one that no row knows of, beyond every deadline of
            # ours.
            max_network_retries=0,
            # Not the SDK's client on httpx: it takes no pool of ours, and would follow the
            # environment's proxies.
            http_client=stripe.RequestsClient(timeout=timeout, session=_session(config.threads)),
        )

    def _post(self, path: str, *, key: str, **params: Any) -> Call:
        """POST with a key that was stored before; the SDK's own objects are not needed here."""
        # Raw, because an object that the SDK's classes do not expect is an answer all the same.
        return _call(lambda: self._client.raw_request("post", path, idempotency_key=key, **params))

    def charge(self, charge: Charge) -> Call:
        """Create and confirm a PaymentIntent under the charge's key."""
        return self._post(
            "/v1/payment_intents",
            key=charge.key,
            amount=charge.money.amount_cents,
            currency=charge.money.currency,
            confirm=True,
            payment_method=charge.payment_method,
            # Named: left out, the account's dashboard would choose, redirects included.
            payment_method_types=[charge.payment_method_type],
            metadata=dict(charge.metadata),
        )

    def cancel(self, payment_intent_id: str, *, key: str) -> Call:
        """Cancel a PaymentIntent that has not moved money."""
        return self._post(
            f"/v1/payment_intents/{quote(payment_intent_id, safe='')}/cancel", key=key
        )

    def refund(
        self, payment_intent_id: str, *, key: str, amount_cents: int, metadata: Mapping[str, str]
    ) -> Call:
        """Refund an amount of a PaymentIntent under a key stored before."""
        return self._post(
            "/v1/refunds",
            key=key,
            payment_intent=payment_intent_id,
            amount=amount_cents,
            metadata=dict(metadata),
        )

    def retrieve(self, payment_intent_id: str) -> Call:
        """Read one PaymentIntent; lists and retrieves are read-after-write, search is not."""
        path = f"/v1/payment_intents/{quote(payment_intent_id, safe='')}"
        return _call(lambda: self._client.raw_request("get", path))

    def list_created(
        self, created_gte: int, created_lte: int | None
    ) -> Iterator[Mapping[str, Any]]:
        """PaymentIntents created in a window (Unix seconds, both ends included), newest first.

        Raises:
            stripe.StripeError: a page could not be read; what was yielded is not the whole.
            ListTooLongError: there is more than one look can read.
        """
        window: Any = {"gte": created_gte}
        if created_lte is not None:
            window["lte"] = created_lte
        page = self._client.v1.payment_intents.list({"created": window, "limit": LIST_PAGE})
        # Counted while reading: how long a list is, Stripe does not say beforehand.
        for count, intent in enumerate(page.auto_paging_iter()):
            if count >= LIST_MAX:
                raise ListTooLongError(f"more than {LIST_MAX} PaymentIntents since {created_gte}")
            # The SDK's object writes itself as JSON; callers want the plain document.
            yield json.loads(str(intent))

    def list_refunds(self, payment_intent_id: str) -> Iterator[Mapping[str, Any]]:
        """Every refund of a PaymentIntent, newest first; a list shows what was just written.

        Raises:
            stripe.StripeError: a page could not be read; what was yielded is not the whole.
        """
        page = self._client.v1.refunds.list(
            {"payment_intent": payment_intent_id, "limit": LIST_PAGE}
        )
        for refund in page.auto_paging_iter():
            yield json.loads(str(refund))


def _session(threads: int) -> requests.Session:
    """One pool of connections for all threads.

    The environment's proxies are left out on purpose: where Stripe is, STRIPE_API_BASE says alone.
    """
    session = requests.Session()
    session.trust_env = False
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=threads, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _call(send: Callable[[], StripeResponse]) -> Call:
    try:
        response = send()
    except stripe.StripeError as error:
        return Call(_answer_of_error(error), error.request_id, {})
    body: dict[str, Any] = response.data  # type: ignore[assignment] # parsed JSON, not an object yet
    answer = Answer(
        http_status=response.code,
        payment_intent_id=_intent_id(body),
        object_status=body.get("status"),
        replayed=response.headers.get("idempotent-replayed") == "true",
    )
    return Call(answer, response.request_id, body)


def _answer_of_error(error: stripe.StripeError) -> Answer:
    """Translate the SDK's exception; an answer that cannot be read counts as sent."""
    if error.http_status is None:
        return Answer(http_status=None, sent=not _refused_before_sending(error))
    # Whatever stands between us and Stripe may answer, in any shape.
    body = error.json_body if isinstance(error.json_body, dict) else {}
    detail = body.get("error")
    fields: dict[str, Any] = detail if isinstance(detail, dict) else {}
    intent = fields.get("payment_intent")
    headers = error.headers or {}
    return Answer(
        http_status=error.http_status,
        payment_intent_id=_intent_id(intent) if isinstance(intent, dict) else None,
        object_status=intent.get("status") if isinstance(intent, dict) else None,
        error_type=fields.get("type"),
        error_code=fields.get("code"),
        error_param=fields.get("param"),
        decline_code=fields.get("decline_code"),
        retry_after_seconds=seconds_of_header(headers.get("retry-after")),
        replayed=headers.get("idempotent-replayed") == "true",
    )


def _refused_before_sending(error: stripe.StripeError) -> bool:
    """Whether no connection was made at all, so that Stripe cannot have seen the request."""
    cause = error.__cause__
    if isinstance(cause, requests.exceptions.ConnectTimeout):
        return True
    if not isinstance(cause, requests.exceptions.ConnectionError) or not cause.args:
        return False
    # requests wraps what urllib3 raised, and urllib3 what the socket did: the reason is inside.
    return isinstance(getattr(cause.args[0], "reason", None), NewConnectionError)


def _intent_id(body: Mapping[str, Any]) -> PaymentIntentId | None:
    """The PaymentIntent an object is, or, for a refund, the one it belongs to."""
    if body.get("object") == "payment_intent":
        return PaymentIntentId(body["id"])
    intent = body.get("payment_intent")
    return PaymentIntentId(intent) if isinstance(intent, str) else None
