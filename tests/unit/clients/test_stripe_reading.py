"""Reading Stripe: nothing but a GET goes out, and a live key only where it can do nothing else."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe

from bookpayctl.clients.stripe_api import (
    GetOnly,
    StripeApi,
    StripeReadError,
    WriteRefusedError,
    why_refused,
)

RESTRICTED, SECRET = "rk_" + "live_51Nobody", "sk_" + "live_51Nobody"
STRIPE = "https://api.stripe.com"


class Way(httpx.BaseTransport):
    """Answers whatever comes, and remembers it."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request.method)
        return httpx.Response(200, json={})


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "get"])
def test_whatever_is_no_get_is_refused_before_it_leaves(method: str) -> None:
    way = Way()
    client = httpx.Client(transport=GetOnly(way))
    asked: Any = httpx.Request(method, f"{STRIPE}/v1/refunds")
    asked.method = method

    with pytest.raises(WriteRefusedError):
        client.send(asked)

    assert way.sent == []
    assert client.get(f"{STRIPE}/v1/refunds").status_code == 200


# How the library hands a form to httpx; a form is what must not get further.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_stripes_own_library_cannot_write_through_it() -> None:
    # Port 1 answers nobody, so what is refused was refused before it was sent.
    api = StripeApi("http://127.0.0.1:1", "sk_test_reading")

    with pytest.raises(stripe.APIConnectionError, match="WriteRefusedError"):
        api._client.v1.refunds.create({"payment_intent": "pi_of_somebody"})


@pytest.mark.parametrize(
    ("base", "key", "read_only_live", "told"),
    [
        (STRIPE, RESTRICTED, False, "a live key is refused here"),
        (STRIPE, SECRET, False, "a live key is refused here"),
        (STRIPE, SECRET, True, "only a restricted live key"),
        (STRIPE, "pk_" + "live_51Nobody", True, "only a restricted live key"),
        ("http://127.0.0.1:12111", RESTRICTED, True, "goes to https://api.stripe.com alone"),
        ("https://api.stripe.com.example.org", RESTRICTED, True, "alone"),
    ],
)
def test_a_live_key_is_refused_without_being_shown(
    base: str, key: str, read_only_live: bool, told: str
) -> None:
    why = why_refused(base, key, read_only_live=read_only_live)

    assert why is not None
    assert told in why
    assert "51Nobody" not in why
    with pytest.raises(StripeReadError):
        StripeApi(base, key, read_only_live=read_only_live)


def test_a_restricted_live_key_may_read_stripe_when_that_is_asked_for() -> None:
    assert why_refused(STRIPE, RESTRICTED, read_only_live=True) is None
    assert why_refused("http://127.0.0.1:1", "rk_test_reading", read_only_live=False) is None
