"""The same requests to the twin and to another Stripe; acceptance and shapes must agree.

stripe-mock answers from Stripe's own OpenAPI fixtures, so it knows every field and no behaviour; a
sandbox (STRIPE_SANDBOX_KEY) knows both. Whatever is not there is skipped, with the reason. The
fixtures of stripe-mock are older than the API version the twin speaks: what each side has and the
other lacks is listed by hand below, so that a new difference is a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.http_client import Answer, http
from tests.support.twin import TwinProcess, new_key
from tests.support.waiting import eventually

SANDBOX_KEY_VARIABLE = "STRIPE_SANDBOX_KEY"
INTENT = {"amount": 2000, "currency": "usd", "payment_method_types[]": "card"}
PAID = {**INTENT, "confirm": "true", "payment_method": "pm_card_visa"}
METADATA = {f"metadata[{name}]": "x" for name in ("event_id", "order_id", "tenant_id", "env")}

# Fields that the other side has and the twin leaves out, by kind of object, with the reason.
LEFT_OUT: dict[str, set[str]] = {
    # Refunds are not part of a charge since API version 2022-11-15, unless they are expanded.
    "charge": {"refunds"},
    # Platforms with connected accounts have it.
    "balance": {"connect_reserved"},
}
KINDS = (
    *("payment_intent", "charge", "refund", "customer", "payment_method", "setup_intent"),
    *("balance_transaction", "event", "balance", "account", "dispute"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One Stripe: where it is, a key for it, and whether it remembers anything."""

    base: str
    key: str
    remembers: bool = True

    def ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, object] | None = None,
        key: str | None = None,
    ) -> Answer:
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        if method == "POST":
            headers["Idempotency-Key"] = key or new_key()
        body = urlencode(parameters or {}).encode() if method == "POST" else None
        return http.request(method, self.base + path, body=body, headers=headers)


@pytest.fixture(scope="module")
def ours(twin: TwinProcess) -> Side:
    return Side(twin.api, "sk_test_123")


@pytest.fixture(scope="module", params=["stripe-mock", "sandbox"])
def theirs(request: pytest.FixtureRequest) -> Iterator[Side]:
    if request.param == "sandbox":
        key = os.environ.get(SANDBOX_KEY_VARIABLE, "")
        if not key:
            pytest.skip(f"{SANDBOX_KEY_VARIABLE} is not set")
        assert key.startswith(("sk_test_", "rk_test_")), "only a test key may be used here"
        yield Side("https://api.stripe.com", key)
        return
    program = shutil.which("stripe-mock")
    if program is None:
        pytest.skip("stripe-mock is not on PATH")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Port 0 is no choice here: it does not say which one it took.
    process = subprocess.Popen(
        [program, "-http-addr", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    eventually(answers, "stripe-mock listens")
    yield Side(f"http://127.0.0.1:{port}", "sk_test_123", remembers=False)
    process.terminate()
    process.wait(timeout=10)


def objects(side: Side) -> dict[str, Any]:
    """One object of each kind; what a side that forgets has made is asked for by any id."""
    paid = side.ask("POST", "/v1/payment_intents", PAID).json
    disputed = {**PAID, "payment_method": "pm_card_createDispute"}
    side.ask("POST", "/v1/payment_intents", disputed)
    refund = side.ask("POST", "/v1/refunds", {"payment_intent": paid["id"], "amount": 1}).json
    customer = side.ask("POST", "/v1/customers", {"email": "a@example.com"}).json
    setup = side.ask("POST", "/v1/setup_intents", {"payment_method_types[]": "card"}).json

    def newest(path: str) -> Any:
        return eventually(lambda: side.ask("GET", path).json["data"], f"something in {path}")[0]

    booked = refund["balance_transaction"] or "txn_1"
    paths = {
        "payment_intent": f"/v1/payment_intents/{paid['id']}",
        "charge": f"/v1/charges/{paid['latest_charge'] or 'ch_1'}",
        "refund": f"/v1/refunds/{refund['id']}",
        "customer": f"/v1/customers/{customer['id']}",
        "payment_method": f"/v1/payment_methods/{paid['payment_method'] or 'pm_1'}",
        "setup_intent": f"/v1/setup_intents/{setup['id']}",
        "balance_transaction": f"/v1/balance_transactions/{booked}",
        "event": f"/v1/events/{newest('/v1/events?limit=1')['id']}",
        "balance": "/v1/balance",
        "account": "/v1/account",
        "dispute": f"/v1/disputes/{newest('/v1/disputes?limit=1')['id']}",
    }
    return {kind: side.ask("GET", path).json for kind, path in paths.items()}


@pytest.fixture(scope="module")
def shapes(ours: Side, theirs: Side) -> tuple[dict[str, Any], dict[str, Any]]:
    return objects(ours), objects(theirs)


# Parts of an account that depend on who owns it and where; applications do not read them.
ABOUT_THE_OWNER = {
    *("company", "controller", "created", "external_accounts", "future_requirements", "groups"),
    *("individual", "requirements", "tos_acceptance"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_has_every_field_of_theirs(
    shapes: tuple[dict[str, Any], dict[str, Any]], kind: str
) -> None:
    mine, other = shapes[0][kind], shapes[1][kind]
    left_out = ABOUT_THE_OWNER if kind == "account" else LEFT_OUT.get(kind, set())

    assert mine["object"] == other["object"] == kind
    assert set(other) - set(mine) - left_out == set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_has_the_type_of_theirs(
    shapes: tuple[dict[str, Any], dict[str, Any]], kind: str
) -> None:
    mine, other = shapes[0][kind], shapes[1][kind]

    different = {
        name: (type(mine[name]).__name__, type(value).__name__)
        for name, value in other.items()
        if name in mine and None not in (value, mine[name]) and type(mine[name]) is not type(value)
    }

    assert different == {}


def charge(side: Side) -> Answer:
    return side.ask("POST", "/v1/payment_intents", {**PAID, **METADATA})


def cancel(side: Side) -> Answer:
    made = side.ask("POST", "/v1/payment_intents", INTENT).json["id"]
    return side.ask("POST", f"/v1/payment_intents/{made}/cancel")


def refund(side: Side) -> Answer:
    made = charge(side).json["id"]
    return side.ask(
        "POST",
        "/v1/refunds",
        {"payment_intent": made, "amount": 500, "metadata[refund_id]": "r", **METADATA},
    )


def retrieve(side: Side) -> Answer:
    return side.ask("GET", f"/v1/payment_intents/{charge(side).json['id']}")


def list_created(side: Side) -> Answer:
    charge(side)
    now = int(time.time())
    window = f"created[gte]={now - 3600}&created[lte]={now + 3600}"
    return side.ask("GET", f"/v1/payment_intents?limit=100&{window}")


@pytest.mark.parametrize("send", [charge, cancel, refund, retrieve, list_created])
def test_what_our_services_send_is_answered_alike(
    ours: Side, theirs: Side, send: Callable[[Side], Answer]
) -> None:
    """Every request of `runtime/adapters/stripe_gateway.py`, in its words."""
    mine, other = send(ours), send(theirs)

    assert (mine.status, other.status) == (200, 200)
    assert set(other.json) <= set(mine.json)
    if mine.json["object"] == "list":
        assert set(other.json["data"][0]) <= set(mine.json["data"][0])


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/v1/payment_intents", INTENT),
        ("/v1/payment_intents", {**PAID, "metadata[event_id]": "e", "capture_method": "manual"}),
        ("/v1/charges", {"amount": 100, "currency": "usd", "source": "tok_visa"}),
        ("/v1/customers", {"email": "ann@example.com", "metadata[a]": "b"}),
        ("/v1/setup_intents", {"payment_method_types[]": "card"}),
        ("/v1/payment_methods", {"type": "card", "card[token]": "tok_visa"}),
    ],
)
def test_what_stripe_accepts_the_twin_accepts(
    ours: Side, theirs: Side, path: str, parameters: dict[str, object]
) -> None:
    answers = [side.ask("POST", path, parameters) for side in (theirs, ours)]

    assert [answer.status for answer in answers] == [200, 200]
    assert set(answers[0].json) - set(answers[1].json) <= {"refunds"}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/v1/payment_intents", {"currency": "usd"}),
        ("/v1/payment_intents", {**INTENT, "colour": "red"}),
        ("/v1/payment_intents", {**INTENT, "shipping[colour]": "red"}),
        ("/v1/payment_intents", {**INTENT, "amount": "many"}),
        ("/v1/payment_intents", {**INTENT, "capture_method": "by hand"}),
        ("/v1/refunds", {"reason": "whim"}),
        ("/v1/payment_methods/pm_1/attach", {}),
        ("/v1/webhook_endpoints", {"url": "http://127.0.0.1/"}),
        ("/v1/unicorns", {}),
    ],
)
def test_what_stripe_refuses_the_twin_refuses(
    ours: Side, theirs: Side, path: str, parameters: dict[str, object]
) -> None:
    answers = [side.ask("POST", path, parameters) for side in (theirs, ours)]

    assert answers[0].status == answers[1].status
    assert answers[0].json["error"]["type"] == answers[1].json["error"]["type"]


def test_a_side_that_remembers_replays_and_declines_as_the_twin_does(
    ours: Side, theirs: Side
) -> None:
    if not theirs.remembers:
        pytest.skip("stripe-mock keeps no keys and declines nothing")
    sent = {**PAID, "payment_method": "pm_card_visa_chargeDeclined"}
    seen = []
    for side in (theirs, ours):
        key = new_key()
        first, second = (side.ask("POST", "/v1/payment_intents", sent, key) for _ in range(2))
        error = first.json["error"]
        seen.append(
            (
                (first.status, second.status, first.body == second.body),
                (error["type"], error["code"], error["decline_code"]),
                error["payment_intent"]["status"],
                second.headers.get("Idempotent-Replayed"),
            )
        )

    assert seen[0] == seen[1]
