"""Stripe's API as this tool reads it: the official SDK, with a key of the judge's own.

Lists only, never search: a list is consistent at once, search lags. Nothing here writes, and the
transport refuses whatever is no GET, so that no slip above it can.
"""

from __future__ import annotations

import ssl
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx
import stripe

from bookpayctl.clients.http import HttpAnswer
from bookpayctl.clients.http import ask as ask_http
from runtime.domain.names import LIVE_KEY_PREFIXES

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 15.0
NOBODY_SECONDS_MAX: Final = 10.0
RETRIES_MAX: Final = 2
PAGE_SIZE: Final = 100

NOT_FOUND: Final = 404
TOO_MANY_REQUESTS: Final = 429
SERVER_ERRORS: Final = 500
NOBODY_MADE: Final = "pi_bookpayctl_nobody_made_this"


Collection = Literal[
    "payment_intents", "charges", "refunds", "events", "disputes", "webhook_endpoints"
]


LIVE_READING_PREFIX: Final = "rk_live_"
"""Of a restricted live key, the only live one that is ever taken, and only to read by it."""

LIVE_BASE: Final = "https://api.stripe.com"


def answer_to_nobody(api_base: str) -> HttpAnswer:
    """What Stripe answers to a request without a key: that it knows nobody, dated and versioned."""
    return ask_http("GET", api_base + "/v1/", timeout_seconds=NOBODY_SECONDS_MAX)


class WriteRefusedError(RuntimeError):
    """A request that is no GET was about to be sent; it was not."""


class StripeReadError(RuntimeError):
    """Stripe could not be read; the message says what was asked and what came back."""


class StripeBusyError(StripeReadError):
    """Stripe answered 429 or 5xx, or not at all: the same GET may be answered later.

    Attributes:
        wait_seconds: how long it wants to be left alone (Retry-After); None when it did not say.
        is_away: no answer came at all, so that perhaps nobody is there.
    """

    def __init__(
        self, message: str, wait_seconds: float | None = None, *, is_away: bool = False
    ) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds
        self.is_away = is_away


@dataclass(frozen=True, slots=True)
class ListPage:
    """One answer of a list: newest first, and whether older objects of its range follow."""

    objects: list[dict[str, Any]]
    has_more: bool


class StripeApi:
    """One account of Stripe, or a twin; safe to share between threads."""

    def __init__(self, api_base: str, key: str, *, read_only_live: bool = False) -> None:
        """Take a test key.

        Args:
            read_only_live: take a restricted live key, too, for Stripe itself alone.

        Raises:
            StripeReadError: it is another live one; nothing here may come near real money.
        """
        why = why_refused(api_base, key, read_only_live=read_only_live)
        if why is not None:
            raise StripeReadError(why)
        self._api_base = api_base.rstrip("/")
        self._key = key
        self._of_thread = threading.local()
        self._opened: list[stripe.HTTPXClient] = []
        weakref.finalize(self, _close_all, self._opened)

    def objects(self, collection: Collection, **filters: Any) -> Iterator[dict[str, Any]]:
        """Every object of one collection, newest first, page by page.

        Raises:
            StripeReadError: a page could not be read, so the list is not whole.
        """
        service: Any = getattr(self._client.v1, collection)
        try:
            for found in service.list({"limit": PAGE_SIZE, **filters}).auto_paging_iter():
                yield found.to_dict()
        except stripe.StripeError as error:
            raise StripeReadError(
                f"GET {self._api_base}/v1/{collection}: {_said(error)}"
            ) from error

    def page(
        self,
        collection: Collection,
        *,
        begin: int | None = None,
        end: int | None = None,
        after: str | None = None,
    ) -> ListPage:
        """The newest objects of one collection with begin <= created < end, asked for once.

        Args:
            collection: what is listed.
            begin: second of Stripe's clock; None is no bound.
            end: the same.
            after: id of an object; only older ones are wanted.

        Raises:
            StripeBusyError: ask again later, for the same.
            StripeReadError: asking again would not help.
        """
        created = {"gte": begin, "lt": end}
        wanted: dict[str, Any] = {"limit": PAGE_SIZE, "starting_after": after}
        wanted["created"] = {name: bound for name, bound in created.items() if bound is not None}
        asked = {name: value for name, value in wanted.items() if value}
        service: Any = getattr(self._client.v1, collection)
        try:
            # Who reads many pages side by side decides himself when one is asked for again.
            answer = service.list(asked, {"max_network_retries": 0})
        except stripe.StripeError as error:
            where = f"GET {self._api_base}/v1/{collection}: {_said(error)}"
            if is_busy(error):
                raise StripeBusyError(
                    where, _wait_seconds(error), is_away=error.http_status is None
                ) from error
            raise StripeReadError(where) from error
        return ListPage([found.to_dict() for found in answer.data], answer.has_more)

    def payment_intent(self, payment_intent_id: str) -> dict[str, Any]:
        """One PaymentIntent by its id.

        Raises:
            StripeReadError: there is none, or it could not be read.
        """
        try:
            return self._client.v1.payment_intents.retrieve(payment_intent_id).to_dict()
        except stripe.StripeError as error:
            where = f"{self._api_base}/v1/payment_intents/{payment_intent_id}"
            raise StripeReadError(f"GET {where}: {_said(error)}") from error

    def remembers(self) -> bool:
        """Whether it knows what it has made: of what nobody made it has none.

        stripe-mock shows one of any name, from Stripe's fixtures.

        Raises:
            StripeReadError: it did not say.
        """
        try:
            self._client.v1.payment_intents.retrieve(NOBODY_MADE)
        except stripe.InvalidRequestError as error:
            if error.http_status == NOT_FOUND:
                return True
            raise StripeReadError(f"GET {self._api_base}: {_said(error)}") from error
        except stripe.StripeError as error:
            raise StripeReadError(f"GET {self._api_base}: {_said(error)}") from error
        return False

    @property
    def _client(self) -> stripe.StripeClient:
        """Each thread's own, for the reason that `HttpClient` gives."""
        client: stripe.StripeClient | None = getattr(self._of_thread, "client", None)
        if client is None:
            http_client = _DirectClient(
                timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
            )
            self._opened.append(http_client)
            client = stripe.StripeClient(
                self._key,
                base_addresses={"api": self._api_base},
                max_network_retries=RETRIES_MAX,
                http_client=http_client,
            )
            self._of_thread.client = client
        return client


def is_busy(error: stripe.StripeError) -> bool:
    """Whether the same GET may get another answer later."""
    status = error.http_status
    if status is None:
        return isinstance(error, stripe.APIConnectionError)
    return status == TOO_MANY_REQUESTS or status >= SERVER_ERRORS


def _wait_seconds(error: stripe.StripeError) -> float | None:
    """Retry-After in seconds; Stripe sends no dates there, a proxy's date is no number here."""
    headers = {str(name).lower(): value for name, value in dict(error.headers or {}).items()}
    told = str(headers.get("retry-after", ""))
    return float(told) if told.isascii() and told.isdigit() else None


def why_refused(api_base: str, key: str, *, read_only_live: bool) -> str | None:
    """Why a key is not used; None when it is. The words hold nothing of the key."""
    if not key.startswith(LIVE_KEY_PREFIXES):
        return None
    if not read_only_live:
        return "a live key is refused here, also for reading; use a test key"
    if not key.startswith(LIVE_READING_PREFIX):
        return "only a restricted live key (rk_live_) may read, never a secret one"
    if api_base.rstrip("/") != LIVE_BASE:
        return f"a live key goes to {LIVE_BASE} alone"
    return None


class GetOnly(httpx.BaseTransport):
    """A way to a server on which nothing but a GET goes out."""

    def __init__(self, way: httpx.BaseTransport) -> None:
        self._way = way

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a GET; anything else is refused before it leaves.

        Raises:
            WriteRefusedError: it was no GET.
        """
        if request.method != "GET":
            raise WriteRefusedError(f"{request.method} {request.url.path} is not sent: reads only")
        return self._way.handle_request(request)

    def close(self) -> None:
        self._way.close()


class _DirectClient(stripe.HTTPXClient):
    """The SDK's client, without the shell's proxies.

    A proxy is no way to a twin on this machine: STRIPE_API_BASE says alone where Stripe is, as it
    does for the gateway. The SDK has no setting for it.
    """

    def __init__(self, *, timeout: httpx.Timeout) -> None:
        super().__init__(timeout=timeout, allow_sync_methods=True)
        verify = ssl.create_default_context(cafile=stripe.ca_bundle_path)
        way = httpx.HTTPTransport(verify=verify, trust_env=False)
        self._client = httpx.Client(transport=GetOnly(way), trust_env=False)


def _close_all(clients: list[stripe.HTTPXClient]) -> None:
    for client in clients:
        client.close()  # type: ignore[no-untyped-call]


def _said(error: stripe.StripeError) -> str:
    status = "" if error.http_status is None else f"{error.http_status} "
    return f"{status}{str(error).strip() or type(error).__name__}"
