"""What holds on every endpoint alike: headers, keys, unknown parameters, metadata, expansion."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from bookpayctl.stripe_twin.api.routes import ROUTES, Route
from tests.support.twin import TwinProcess, new_key

VERSION = "2026-10-28.endive"


def intent(twin: TwinProcess, **parameters: object) -> str:
    return str(twin.charge(new_key(), **parameters).json["id"])


def customer(twin: TwinProcess) -> str:
    return str(twin.post("/v1/customers").json["id"])


def method(twin: TwinProcess) -> str:
    body = {"type": "card", "card[token]": "tok_visa"}
    return str(twin.post("/v1/payment_methods", body).json["id"])


# A path and parameters that are carried out, and change something that cannot be changed twice.
RequestOf = Callable[[TwinProcess], tuple[str, dict[str, object]]]
POSTS: dict[str, RequestOf] = {
    "create an intent": lambda _: ("/v1/payment_intents", {"amount": 900, "currency": "usd"}),
    "capture": lambda t: (
        f"/v1/payment_intents/{intent(t, capture_method='manual')}/capture",
        {"amount_to_capture": 100},
    ),
    "cancel": lambda t: (
        f"/v1/payment_intents/{intent(t, capture_method='manual')}/cancel",
        {"cancellation_reason": "abandoned"},
    ),
    "charge directly": lambda _: (
        "/v1/charges",
        {"amount": 900, "currency": "usd", "source": "tok_visa"},
    ),
    "refund": lambda t: ("/v1/refunds", {"payment_intent": intent(t), "amount": 1}),
    "create a method": lambda _: (
        "/v1/payment_methods",
        {"type": "card", "card[number]": "4242424242424242"},
    ),
    "attach": lambda t: (f"/v1/payment_methods/{method(t)}/attach", {"customer": customer(t)}),
    "create a customer": lambda _: ("/v1/customers", {"email": "ann@example.com"}),
    "add a card": lambda t: (f"/v1/customers/{customer(t)}/sources", {"source": "tok_visa"}),
    "set up": lambda _: (
        "/v1/setup_intents",
        {"payment_method_types[]": "card", "confirm": "true", "payment_method": "pm_card_visa"},
    ),
}


@pytest.mark.parametrize("name", POSTS)
def test_every_post_carries_the_headers_and_replays_its_bytes(twin: TwinProcess, name: str) -> None:
    path, parameters = POSTS[name](twin)
    key = new_key()

    first = twin.post(path, parameters, key)
    again = twin.post(path, parameters, key)

    assert first.status == 200, first.body
    assert first.headers["Original-Request"] == first.headers["Request-Id"]
    assert first.headers["Idempotency-Key"] == key
    assert first.headers["Stripe-Should-Retry"] == "false"
    assert first.headers["Stripe-Version"] == VERSION
    assert first.headers["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in first.headers
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert again.headers["Request-Id"] != first.headers["Request-Id"]
    rows = twin.rows(f"/requests?key={key}")
    assert [(row["executed"], row["replayed"]) for row in rows] == [(True, False), (False, True)]


def test_a_read_carries_no_headers_of_keys(twin: TwinProcess) -> None:
    answer = twin.get(f"/v1/payment_intents/{intent(twin)}")

    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.headers["Stripe-Version"] == VERSION
    for name in ("Idempotency-Key", "Original-Request", "Idempotent-Replayed"):
        assert name not in answer.headers


def test_every_answer_is_dated_by_the_clock_of_its_ledger(twin: TwinProcess) -> None:
    clock = twin.ask("POST", "/clock/advance", {"seconds": 7200})

    answers = [twin.get("/v1/payment_intents/pi_nobody"), twin.http.request("GET", f"{twin.api}/")]

    for answer in answers:
        shown = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        assert clock["now"] - 1 <= shown < clock["now"] + 60


def test_a_version_is_echoed_and_nonsense_is_refused(twin: TwinProcess) -> None:
    body = {"amount": 900, "currency": "usd"}

    dated = twin.post("/v1/payment_intents", body, headers={"Stripe-Version": "2024-06-20"})
    refused = twin.post("/v1/payment_intents", body, headers={"Stripe-Version": "yesterday"})

    assert dated.headers["Stripe-Version"] == "2024-06-20"
    assert (refused.status, refused.error["type"]) == (400, "invalid_request_error")
    assert "yesterday" in refused.error["message"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_refuses_a_parameter_it_does_not_know(twin: TwinProcess, route: Route) -> None:
    path = route.path.replace("*", "x_1")

    if route.method == "POST":
        answer = twin.post(path, {"colour": "red"}, new_key())
    else:
        answer = twin.get(f"{path}?colour=red", method=route.method)

    assert answer.status == 400
    assert answer.error["code"] == "parameter_unknown"
    assert answer.error["param"] == "colour"
    assert answer.error["message"] == "Received unknown parameter: colour"
    assert answer.error["doc_url"].endswith("/parameter-unknown")


@pytest.mark.parametrize(
    ("path", "parameters", "param"),
    [
        (
            "/v1/payment_intents",
            {"amount": 900, "currency": "usd", "automatic_payment_methods[on]": "true"},
            "automatic_payment_methods[on]",
        ),
        ("/v1/customers", {"address[planet]": "Mars"}, "address[planet]"),
        ("/v1/payment_methods", {"type": "card", "card[colour]": "gold"}, "card[colour]"),
    ],
)
def test_an_unknown_name_inside_a_hash_is_refused(
    twin: TwinProcess, path: str, parameters: dict[str, object], param: str
) -> None:
    refused = twin.post(path, parameters)

    assert (refused.status, refused.error["code"]) == (400, "parameter_unknown")
    assert refused.error["param"] == param


@pytest.mark.parametrize(
    "make",
    [
        lambda t: f"/v1/payment_intents/{intent(t)}",
        lambda t: f"/v1/charges/{t.get(f'/v1/payment_intents/{intent(t)}').json['latest_charge']}",
        lambda t: f"/v1/refunds/{t.post('/v1/refunds', {'payment_intent': intent(t)}).json['id']}",
        lambda t: f"/v1/customers/{customer(t)}",
        lambda t: f"/v1/payment_methods/{method(t)}",
        lambda t: f"/v1/setup_intents/{t.post('/v1/setup_intents').json['id']}",
    ],
    ids=["intent", "charge", "refund", "customer", "method", "setup"],
)
def test_metadata_is_merged_unset_and_bounded_everywhere(
    twin: TwinProcess, make: Callable[[TwinProcess], str]
) -> None:
    path = make(twin)

    twin.post(path, {"metadata[a]": "1", "metadata[b]": "2"})
    merged = twin.post(path, {"metadata[b]": "", "metadata[c]": "3"}).json["metadata"]
    long_key = twin.post(path, {f"metadata[{'k' * 41}]": "x"})
    long_value = twin.post(path, {"metadata[k]": "x" * 501})
    many = twin.post(path, {f"metadata[k{i}]": "x" for i in range(49)})
    cleared = twin.post(path, {"metadata": ""}).json["metadata"]

    assert merged == {"a": "1", "c": "3"}
    assert (long_key.status, long_value.status, many.status) == (400, 400, 400)
    assert cleared == {}


def test_events_of_updates_tell_what_was_before(twin: TwinProcess) -> None:
    key = new_key()
    made = intent(twin)
    charge = twin.get(f"/v1/payment_intents/{made}").json["latest_charge"]
    twin.post(f"/v1/charges/{charge}", {"description": "a book"}, key)
    twin.post("/v1/refunds", {"payment_intent": made, "amount": 1})

    def last(event_type: str) -> dict[str, Any]:
        return dict(twin.get("/v1/events", type=event_type, limit=1).json["data"][0])

    updated, refunded = last("charge.updated"), last("charge.refunded")

    assert updated["data"]["previous_attributes"] == {"description": None}
    assert updated["request"]["idempotency_key"] == key
    assert updated["api_version"] == VERSION
    assert updated["pending_webhooks"] == 0
    assert refunded["data"]["previous_attributes"] == {"amount_refunded": 0}
