"""Stripe through its official SDK, reduced to answers the domain can judge.

Every POST carries a key its caller stored before; the SDK's own retries and telemetry are off,
because retries here are visible, bounded and in the database. The SDK sends; what came back is
read by `stripe_shape`, because the SDK makes the same exception of Stripe's error and of a proxy's
page with the same status.

Source:
    stripe-python 16: StripeClient, StripeError. No SDK reads STRIPE_API_BASE; it
    is mapped to `base_addresses` here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import stripe
from stripe import StripeResponse

from runtime.adapters.stripe_http import StripeHttp, refused_before_sending
from runtime.config import GatewayConfig
from runtime.domain.money import Money
from runtime.domain.stripe_shape import (
    Answer,
    Document,
    NoAnswer,
    NotStripes,
    Received,
    page_of,
    read,
)

CONNECT_SECONDS: Final = 2.0
LIST_PAGE: Final = 100

# Stripe documents no upper bound on list length; a window of minutes at our rates is far below.
LIST_MAX: Final = 20_000


class ListTooLongError(Exception):
    """The window holds more than `LIST_MAX` objects; narrow it."""


class UnreadableListError(Exception):
    """A page could not be read, so the list proves nothing; `answer` is what came instead."""

    def __init__(self, path: str, answer: Answer) -> None:
        super().__init__(f"{path}: {answer.why if isinstance(answer, NotStripes) else 'no list'}")
        self.answer = answer


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

    def __init__(self, config: GatewayConfig, key: Callable[[], str]) -> None:
        """Call nobody yet.

        Args:
            key: the API key that holds now; asked for each request, because keys are rolled.
        """
        self._key = key
        # It would send the timing of each request along with the next one.
        stripe.enable_telemetry = False
        self._client = stripe.StripeClient(
            config.stripe_api_key,
            base_addresses={"api": config.stripe_api_base},
            # A retry inside the SDK would be one that no row knows of, beyond every deadline of
            # ours.
            max_network_retries=0,
            http_client=StripeHttp(
                config.stripe_api_base,
                connect_seconds=CONNECT_SECONDS,
                read_seconds=config.deadlines.stripe_seconds,
                connections_max=config.threads,
            ),
        )

    def _post(self, path: str, *, key: str, **params: Any) -> Answer:
        """POST with a key that was stored before; the SDK's own objects are not needed here."""
        options = {"idempotency_key": key, "api_key": self._key()}
        return _call(lambda: self._client.raw_request("post", path, **options, **params))

    def _get(self, path: str, **params: Any) -> Answer:
        api_key = self._key()
        return _call(lambda: self._client.raw_request("get", path, api_key=api_key, **params))

    def charge(self, charge: Charge) -> Answer:
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

    def cancel(self, payment_intent_id: str, *, key: str) -> Answer:
        """Cancel a PaymentIntent that has not moved money."""
        return self._post(
            f"/v1/payment_intents/{quote(payment_intent_id, safe='')}/cancel", key=key
        )

    def refund(
        self, payment_intent_id: str, *, key: str, amount_cents: int, metadata: Mapping[str, str]
    ) -> Answer:
        """Refund an amount of a PaymentIntent under a key stored before."""
        return self._post(
            "/v1/refunds",
            key=key,
            payment_intent=payment_intent_id,
            amount=amount_cents,
            metadata=dict(metadata),
        )

    def retrieve(self, payment_intent_id: str) -> Answer:
        """Read one PaymentIntent; lists and retrieves are read-after-write, search is not."""
        return self._get(f"/v1/payment_intents/{quote(payment_intent_id, safe='')}")

    def list_created(self, created_gte: int, created_lte: int | None) -> Iterator[Document]:
        """PaymentIntents created in a window (Unix seconds, both ends included), newest first.

        Raises:
            UnreadableListError: a page could not be read; what was yielded is not the whole.
            ListTooLongError: there is more than one look can read.
        """
        window = {"gte": created_gte}
        if created_lte is not None:
            window["lte"] = created_lte
        return self._pages("/v1/payment_intents", "payment_intent", created=window)

    def list_refunds(self, payment_intent_id: str) -> Iterator[Document]:
        """Every refund of a PaymentIntent, newest first; a list shows what was just written.

        Raises:
            UnreadableListError: a page could not be read; what was yielded is not the whole.
            ListTooLongError: there is more than one look can read.
        """
        return self._pages("/v1/refunds", "refund", payment_intent=payment_intent_id)

    def list_disputes(self, payment_intent_id: str) -> Iterator[Document]:
        """Every dispute of a PaymentIntent, newest first; raises as `list_refunds` does."""
        return self._pages("/v1/disputes", "dispute", payment_intent=payment_intent_id)

    def list_moved(self, kind: str, created_gte: int, created_lte: int) -> Iterator[Document]:
        """The account's refunds or disputes of a creation window (Unix seconds), newest first.

        Args:
            kind: `refund` or `dispute`.
        """
        window = {"gte": created_gte, "lte": created_lte}
        return self._pages(f"/v1/{kind}s", kind, created=window)

    def _pages(self, path: str, kind: str, **wanted: Any) -> Iterator[Document]:
        """Every object of a list, page by page; not the SDK's paging, which judges no page."""
        after: dict[str, str] = {}
        # Counted while reading: how long a list is, Stripe does not say beforehand.
        for _ in range(LIST_MAX // LIST_PAGE):
            answer = self._get(path, limit=LIST_PAGE, **wanted, **after)
            page = page_of(answer, kind)
            if page is None:
                raise UnreadableListError(path, answer)
            yield from page.documents
            if not page.has_more:
                return
            after = {"starting_after": page.documents[-1]["id"]}
        raise ListTooLongError(f"more than {LIST_MAX} entries of {path} for {wanted}")


# What the SDK trips over while it reads an error that is none of Stripe's, such as
# `{"error": null}`: it looks into it before it raises.
_SDK_STUMBLES: Final = (AttributeError, KeyError, TypeError, ValueError)


def _call(send: Callable[[], StripeResponse]) -> Answer:
    """Send, and tell whose answer it was; an answer that cannot be read counts as sent."""
    try:
        response = send()
    except stripe.StripeError as error:
        if error.http_status is None:
            return NoAnswer(sent=not refused_before_sending(error))
        return read(_received(error.http_status, error.headers or {}, error.http_body or ""))
    except _SDK_STUMBLES:
        return NoAnswer(sent=True)
    return read(_received(response.code, response.headers, response.body))


def _received(status: int, headers: Mapping[str, str], body: str) -> Received:
    return Received(status, {name.lower(): value for name, value in headers.items()}, body)
