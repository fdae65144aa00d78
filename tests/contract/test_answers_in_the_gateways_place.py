"""Whoever answers in our gateway's place is not believed either: every path, every status.

The worker's own client speaks to a server that says what it is told to. The controls are the
gateway's answers as its contract has them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID

import pytest

from runtime.adapters.gateway_client import (
    ChargeRequest,
    FoundIntent,
    GatewayClient,
    GatewayUnavailableError,
)
from runtime.config import Deadlines, GatewayClientConfig
from runtime.domain.money import Money
from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome import Halt, Outcome, Parked, Retry, Settled, Unknown
from runtime.services.payments_gateway.edge import TITLES, GatewayProblem
from runtime.services.payments_gateway.schema import outcome_body
from tests.support.any_answer import AnsweringServer, answer, answering_server

ROOT: Final = UUID("11111111-2222-4333-8444-555555555555")
MONEY: Final = Money(1999, "usd")
JSON: Final = {"Content-Type": "application/json"}
PROBLEM: Final = {"Content-Type": "application/problem+json"}
INTENT: Final = PaymentIntentId("pi_1")
SETTLED: Final = outcome_body(Settled(INTENT)).model_dump_json().encode()
SHOWN: Final[dict[str, Any]] = {
    "id": "pi_1",
    "status": "succeeded",
    "amount_cents": 1999,
    "amount_received_cents": 1999,
    "currency": "usd",
    "code": None,
    "metadata": {},
}

Ask = Callable[[GatewayClient], object]


def questioned(question: Ask) -> Ask:
    """A question's answer, or `Unknown` where there is none."""

    def ask(client: GatewayClient) -> object:
        try:
            return question(client)
        except GatewayUnavailableError as error:
            return Unknown(str(error))

    return ask


CALLS: Final[dict[str, Ask]] = {
    "charge": lambda c: (
        c.charge(ChargeRequest(ROOT, "ord_1", "acme", MONEY, None), traceparent=None).outcome
    ),
    "cancel": lambda c: c.cancel(event_id=ROOT, payment_intent_id="pi_1").outcome,
    "refund": lambda c: (
        c.refund(key="k", payment_intent_id="pi_1", money=MONEY, refund_id=ROOT).outcome
    ),
    "retrieve": questioned(lambda c: c.retrieve("pi_1")),
    "find": questioned(lambda c: c.find(event_id=ROOT, created_gte=1, created_lte=2)),
    "refunds_of": questioned(lambda c: c.refunds_of("pi_1")),
    "disputes_of": questioned(lambda c: c.disputes_of("pi_1")),
    "moved": questioned(lambda c: c.moved(created_gte=1, created_lte=2)),
}


@pytest.fixture(scope="module")
def server() -> Iterator[AnsweringServer]:
    with answering_server() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: AnsweringServer) -> GatewayClient:
    config = GatewayClientConfig(server.url, "token", Deadlines(5, 6, 7, 8))
    return GatewayClient(config, connections_max=2)


SHAPES: Final[dict[str, tuple[dict[str, str], bytes]]] = {
    "a page": ({"Content-Type": "text/html"}, b"<html>Whatever</html>"),
    "a page that is called JSON": (JSON, b"<html>Whatever</html>"),
    "nothing": (JSON, b""),
    "nothing at all": ({}, b""),
    "another program's object": (JSON, b'{"message":"denied","status":"settled"}'),
    "another program's problem": (PROBLEM, b'{"title":"denied","status":402,"code":"denied"}'),
    "a list": (JSON, b"[]"),
    "null": (JSON, b"null"),
    "an outcome as a page": ({"Content-Type": "text/html"}, SETTLED),
    "an outcome, cut": (JSON, SETTLED[:-2]),
    "an outcome, twice": (JSON, SETTLED + SETTLED),
    "a decline behind a name that occurs twice": (JSON, b'{"outcome":"x","outcome":"declined"}'),
    "a word nobody has agreed on": (JSON, b'{"outcome":"splendid","payment_intent_id":"pi_1"}'),
    "gzip that is none": ({**JSON, "Content-Encoding": "gzip"}, SETTLED),
    "data that is no list": (JSON, b'{"data":7,"payment_intent":7}'),
    "data of another kind": (JSON, b'{"data":[{"x":1}],"payment_intent":{"x":1}}'),
}


# Every shape is tried with these; with the rest a few each, in turn.
NUMBERS: Final = frozenset({200, 204, 206, 301, 304, 400, 401, 402, 403, 404, 409, 422, 429, 503})


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_that_is_not_the_gateways_is_unknown_whatever_its_number(
    server: AnsweringServer, client: GatewayClient, name: str
) -> None:
    believed = []

    shapes = list(SHAPES.items())
    for status in range(200, 600):
        few = [shapes[(status * step) % len(shapes)] for step in (1, 7)]
        for shape, (headers, body) in shapes if status in NUMBERS else few:
            server.says = answer(status, headers, body)
            told = CALLS[name](client)
            if not isinstance(told, Unknown) or told.saved_failure:
                believed.append((status, shape, told))

    assert believed == []


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [302, 303, 307, 308])
def test_a_redirect_of_the_gateway_is_followed_nowhere(
    server: AnsweringServer, client: GatewayClient, name: str, status: int
) -> None:
    server.says = answer(status, {**JSON, "Location": "/elsewhere"}, SETTLED)
    server.elsewhere = answer(200, JSON, SETTLED)
    server.heard.clear()

    told = CALLS[name](client)

    assert isinstance(told, Unknown)
    assert len(server.heard) == 1


# --- the controls: the gateway's own ----------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("unauthorized", Halt),
        ("no_v1_outcome", Retry),
        ("body_invalid", Parked),
        ("request_invalid", Parked),
        ("internal", Unknown),
        ("stripe_unavailable", Unknown),
    ],
)
def test_the_gateways_own_refusals_are_believed(
    server: AnsweringServer, client: GatewayClient, code: str, expected: type[Outcome]
) -> None:
    refusal = GatewayProblem(code)
    server.says = answer(TITLES[code][0], {**PROBLEM, **refusal.headers()}, refusal.body())

    assert isinstance(CALLS["charge"](client), expected)


def test_only_the_gateways_own_word_says_that_nothing_was_sent(
    server: AnsweringServer, client: GatewayClient
) -> None:
    refusal = GatewayProblem("busy", not_sent=True)
    server.says = answer(503, {**PROBLEM, **refusal.headers()}, refusal.body())

    assert CALLS["charge"](client) == Retry("gateway unavailable", 1.0, unreached=True)


def test_the_gateways_own_answers_are_believed(
    server: AnsweringServer, client: GatewayClient
) -> None:
    found = FoundIntent(INTENT, "succeeded", None, MONEY, 1999)

    server.says = answer(200, JSON, SETTLED)
    charged = CALLS["charge"](client)
    server.says = answer(200, JSON, json.dumps({"payment_intent": SHOWN}).encode())
    shown = CALLS["retrieve"](client)
    server.says = answer(200, JSON, b'{"payment_intent":null}')
    absent = CALLS["retrieve"](client)
    server.says = answer(200, JSON, json.dumps({"data": [SHOWN]}).encode())
    listed = CALLS["find"](client)
    server.says = answer(200, JSON, b'{"data":[]}')
    empty = CALLS["find"](client)

    assert charged == Settled(INTENT)
    assert (shown, absent) == (found, None)
    assert (listed, empty) == ([found], [])


def test_a_gateway_that_does_not_say_what_was_received_is_asked_again(
    server: AnsweringServer, client: GatewayClient
) -> None:
    """One of an earlier version, while a new one is rolled out: its silence parks nobody."""
    earlier = {name: value for name, value in SHOWN.items() if name != "amount_received_cents"}
    server.says = answer(200, JSON, json.dumps({"payment_intent": earlier}).encode())

    assert isinstance(CALLS["retrieve"](client), Unknown)
