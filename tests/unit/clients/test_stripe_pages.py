"""One page of a list of Stripe's, and what each refusal of one means for asking again."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bookpayctl.clients.stripe_api import (
    StripeApi,
    StripeBusyError,
    StripeReadError,
)
from tests.support.any_answer import AnsweringServer, answer

JSON = {"Content-Type": "application/json"}
REFUSAL = b'{"error": {"type": "invalid_request_error", "message": "not now"}}'


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    made = AnsweringServer()
    threading.Thread(target=made.accept, daemon=True).start()
    yield made
    made.listener.close()


def test_a_page_is_asked_for_by_its_range_and_its_cursor(server: AnsweringServer) -> None:
    server.says = answer(200, JSON, b'{"object": "list", "data": [], "has_more": false}')
    api = StripeApi(server.url, "sk_test_reading")

    page = api.page("charges", begin=100, end=200, after="ch_9")
    api.page("charges")

    assert (page.objects, page.has_more) == ([], False)
    bounded, unbounded = (line.split()[1] for line in server.heard)
    for part in ("created[gte]=100", "created[lt]=200", "starting_after=ch_9", "limit=100"):
        assert part in bounded.replace("%5B", "[").replace("%5D", "]")
    assert "created" not in unbounded
    assert "starting_after" not in unbounded


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_page_that_is_refused_for_now_is_asked_for_once_and_tells_how_long_to_wait(
    server: AnsweringServer, status: int
) -> None:
    server.says = answer(status, {**JSON, "Retry-After": "7"}, REFUSAL)
    api = StripeApi(server.url, "sk_test_reading")

    with pytest.raises(StripeBusyError) as refused:
        api.page("charges")

    assert refused.value.wait_seconds == 7.0
    assert not refused.value.is_away
    assert len(server.heard) == 1


@pytest.mark.parametrize("told", ["soon", "-1", "Sun, 29 Nov 2026 10:00:00 GMT", ""])
def test_a_wait_that_is_no_number_of_seconds_is_none(server: AnsweringServer, told: str) -> None:
    server.says = answer(429, {**JSON, "Retry-After": told}, REFUSAL)

    with pytest.raises(StripeBusyError) as refused:
        StripeApi(server.url, "sk_test_reading").page("charges")

    assert refused.value.wait_seconds is None


def test_nobody_listening_may_be_back_later() -> None:
    with pytest.raises(StripeBusyError) as refused:
        StripeApi("http://127.0.0.1:1", "sk_test_reading").page("charges")

    assert refused.value.is_away


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_page_that_is_refused_for_good_is_no_page_for_later(
    server: AnsweringServer, status: int
) -> None:
    server.says = answer(status, JSON, REFUSAL)

    with pytest.raises(StripeReadError) as refused:
        StripeApi(server.url, "sk_test_reading").page("charges")

    assert type(refused.value) is StripeReadError
    assert len(server.heard) == 1
