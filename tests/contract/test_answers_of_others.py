"""Whoever answers in Stripe's place is not believed: every call, every status, every shape.

Stripe's own SDK speaks to a server that says what it is told to. An answer that is not Stripe's,
whatever its number, leaves a charge, a cancellation or a refund unknown, and proves nothing about
what Stripe holds. The controls say what Stripe's own answers mean.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from psycopg_pool import ConnectionPool

from runtime.adapters.stripe_gateway import Charge, StripeGateway
from runtime.config import Deadlines, GatewayConfig
from runtime.domain import stripe_answers
from runtime.domain.money import Money
from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome import Declined, Halt, Outcome, Parked, Retry, Settled, Unknown
from runtime.domain.stripe_answers import AskedCharge, AskedRefund
from runtime.services.payments_gateway import calls
from runtime.services.payments_gateway.edge import GatewayProblem
from runtime.services.payments_gateway.journal import Journal
from runtime.telemetry import Outage
from tests.support.any_answer import AnsweringServer, answer, answering_server

EVENT = "11111111-2222-4333-8444-555555555555"
REFUND = "22222222-2222-4333-8444-555555555555"
METADATA: Final = {"event_id": EVENT, "env": "suite"}
JSON: Final = {"Content-Type": "application/json"}
STRIPES: Final = {**JSON, "Request-Id": "req_123"}

INTENT: Final[dict[str, Any]] = {
    "id": "pi_1",
    "object": "payment_intent",
    "status": "succeeded",
    "amount": 1999,
    "amount_received": 1999,
    "currency": "usd",
    "livemode": False,
    "last_payment_error": None,
    "metadata": METADATA,
}
CANCELED: Final = {**INTENT, "status": "canceled", "amount_received": 0}
GIVEN_BACK: Final[dict[str, Any]] = {
    "id": "re_1",
    "object": "refund",
    "status": "succeeded",
    "amount": 1999,
    "currency": "usd",
    "payment_intent": "pi_1",
    "metadata": {"refund_id": REFUND},
}


def listed(*entries: Mapping[str, Any]) -> dict[str, Any]:
    return {"object": "list", "url": "/v1/x", "has_more": False, "data": list(entries)}


def error(kind: str = "card_error", **fields: Any) -> dict[str, Any]:
    return {"error": {"type": kind, "code": "card_declined", "message": "No.", **fields}}


@dataclass(frozen=True)
class Asked:
    """One call, and what Stripe would answer it with."""

    name: str
    ask: Callable[[calls.Gateway], object]
    genuine: dict[str, Any]


def charge(gateway: calls.Gateway) -> Outcome:
    money = Money(1999, "usd")
    made = Charge(EVENT, money, "pm_card_visa", "card", METADATA)
    answered = gateway.stripe.charge(made)
    return stripe_answers.outcome_of_charge(answered, AskedCharge(money, METADATA))


def cancel(gateway: calls.Gateway) -> Outcome:
    answered = gateway.stripe.cancel("pi_1", key=f"{EVENT}:cancel")
    return stripe_answers.outcome_of_cancel(answered, "pi_1")


def refund(gateway: calls.Gateway) -> Outcome:
    metadata = {"refund_id": REFUND}
    answered = gateway.stripe.refund("pi_1", key="k", amount_cents=1999, metadata=metadata)
    return stripe_answers.outcome_of_refund(answered, AskedRefund("pi_1", 1999, metadata))


def questioned(question: Callable[[calls.Gateway], object]) -> Callable[[calls.Gateway], object]:
    """A question's answer, or `Unknown` where the gateway says that it has none."""

    def ask(gateway: calls.Gateway) -> object:
        try:
            return question(gateway)
        except GatewayProblem as problem:
            return Unknown(problem.code)

    return ask


CALLS: Final = (
    Asked("charge", charge, INTENT),
    Asked("cancel", cancel, CANCELED),
    Asked("refund", refund, GIVEN_BACK),
    Asked("retrieve", questioned(lambda g: calls.retrieve(g, "pi_1")), INTENT),
    Asked("find", questioned(lambda g: calls.find(g, 1, 2, EVENT)), listed()),
    Asked("find_refunds", questioned(lambda g: calls.find_refunds(g, "pi_1")), listed()),
    Asked("find_disputes", questioned(lambda g: calls.find_disputes(g, "pi_1")), listed()),
    Asked("find_moved", questioned(lambda g: calls.find_moved(g, 1, 2)), listed()),
)
BY_NAME: Final = {asked.name: asked for asked in CALLS}


@pytest.fixture(scope="module")
def server() -> Iterator[AnsweringServer]:
    with answering_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(server: AnsweringServer) -> calls.Gateway:
    """The gateway's own calls; its database is not asked, and so is not there."""
    nowhere: ConnectionPool[Any] = ConnectionPool("", open=False)
    config = GatewayConfig(
        server.url, "sk_test_suite", "token", "pm_card_visa", 4, Deadlines(5, 6, 7, 8)
    )
    outage = Outage(logging.getLogger(__name__), "Stripe")
    journal = Journal(nowhere, nowhere, outage, outage, 1.0)
    return calls.Gateway(StripeGateway(config, lambda: "sk_test_suite"), journal, config, "suite")


MISSING: Final = json.dumps(error("invalid_request_error", code="resource_missing")).encode()


# --- answers of others ----------------------------------------------------------------------

HTML: Final = b"<html><body><h1>Whatever</h1></body></html>"
DOCUMENTS: Final[dict[str, object]] = {
    "another program's object": {"message": "denied", "status": "succeeded", "id": "pi_1"},
    "another program's list": {"data": [], "has_more": False},
    "a bare list": [],
    "null": None,
    "a text": "ok",
    "an error without a type": {"error": {"code": "card_declined", "message": "No."}},
    "an error of another type": error("upstream_error"),
    "an error whose type is no text": {"error": {"type": ["card_error"]}},
    "an error that is a text": {"error": "invalid_client"},
    "an error that is null": {"error": None},
    "an error that is a list": {"error": [{"type": "card_error"}]},
    "an error whose code is a number": error(code=402),
}


def foreign_shapes(genuine: dict[str, Any]) -> dict[str, tuple[dict[str, str], bytes]]:
    """Headers and body of everything that is not Stripe's, by what it is."""
    own, refusal = json.dumps(genuine).encode(), json.dumps(error()).encode()
    twice = own.replace(b'{"', b'{"object": "x", "', 1)
    shapes = {name: (STRIPES, json.dumps(doc).encode()) for name, doc in DOCUMENTS.items()}
    return shapes | {
        "a page": ({"Content-Type": "text/html"}, HTML),
        "a page with a request id": ({**STRIPES, "Content-Type": "text/html"}, HTML),
        "a page that is called JSON": (STRIPES, HTML),
        "nothing": (STRIPES, b""),
        "nothing at all": ({}, b""),
        "Stripe's object without a request id": (JSON, own),
        "Stripe's error without a request id": (JSON, refusal),
        "Stripe's word that nothing is there, without a request id": (JSON, MISSING),
        "with a request id of others": ({**JSON, "Request-Id": "|7a9f.1"}, own),
        "with a request id of our own": ({**JSON, "X-Request-Id": "req_123"}, refusal),
        "Stripe's object as text": ({**STRIPES, "Content-Type": "text/plain"}, own),
        "Stripe's error as a page": ({**STRIPES, "Content-Type": "text/html"}, refusal),
        "Stripe's object, cut": (STRIPES, own[:-2]),
        "Stripe's error, cut": (STRIPES, refusal[:-2]),
        "Stripe's object behind a BOM": (STRIPES, b"\xef\xbb\xbf" + own),
        "Stripe's object with bytes that are no text": (STRIPES, own[:-1] + b',"x":"\xff"}'),
        "a name twice": (STRIPES, twice),
        "another object": (STRIPES, json.dumps({**genuine, "object": "charge"}).encode()),
        "gzip that is none": ({**STRIPES, "Content-Encoding": "gzip"}, own),
    }


# Every shape is tried with these; with the rest a few each, in turn.
NUMBERS: Final = frozenset(
    {200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 407, 408}
    | {409, 413, 418, 422, 424, 425, 429, 451, 499, 500, 502, 503, 504, 511, 520, 522, 599}
)


@pytest.mark.parametrize("name", BY_NAME)
def test_an_answer_that_is_not_stripes_is_unknown_whatever_its_number(
    server: AnsweringServer, gateway: calls.Gateway, name: str
) -> None:
    asked, server.hangs_up, server.elsewhere = BY_NAME[name], False, b""
    shapes = list(foreign_shapes(asked.genuine).items())
    believed = []

    for status in range(200, 600):
        tried = (
            shapes if status in NUMBERS else [shapes[(status * k) % len(shapes)] for k in (1, 7)]
        )
        for shape, (headers, body) in tried:
            server.says = answer(status, headers, body)
            told = asked.ask(gateway)
            if not isinstance(told, Unknown) or told.saved_failure:
                believed.append((status, shape, told))

    assert believed == []


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("status", [200, 402])
@pytest.mark.parametrize(
    "broken",
    {
        "a length that never comes": b"Content-Length: 9999\r\n\r\n%s",
        "chunks that never end": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n",
        "chunks that are none": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n%s\r\n0\r\n\r\n",
        "headers that end nowhere": b"X-Cut: %s",
    }.items(),
    ids=lambda item: item[0],
)
def test_an_answer_that_breaks_off_is_unknown(
    server: AnsweringServer,
    gateway: calls.Gateway,
    name: str,
    status: int,
    broken: tuple[str, bytes],
) -> None:
    asked = BY_NAME[name]
    body = json.dumps(asked.genuine if status == 200 else error()).encode()
    values = (len(body), body) if b"%x" in broken[1] else (body,)
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nRequest-Id: req_1\r\n" % status
    server.says, server.hangs_up = head + broken[1] % values, True

    assert isinstance(asked.ask(gateway), Unknown)


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_nowhere(
    server: AnsweringServer, gateway: calls.Gateway, name: str, status: int
) -> None:
    asked, server.hangs_up = BY_NAME[name], False
    genuine = json.dumps(asked.genuine).encode()
    server.says = answer(status, {**STRIPES, "Location": "/elsewhere"}, genuine)
    server.elsewhere = answer(200, STRIPES, genuine)
    server.heard.clear()

    told = asked.ask(gateway)

    assert isinstance(told, Unknown)
    assert len(server.heard) == 1


@pytest.mark.parametrize("name", BY_NAME)
def test_an_interim_answer_is_not_the_answer(
    server: AnsweringServer, gateway: calls.Gateway, name: str
) -> None:
    asked, server.hangs_up = BY_NAME[name], True
    for status in (101, 102, 103):
        server.says = answer(status, STRIPES, b"")

        assert isinstance(asked.ask(gateway), Unknown), status


def test_a_404_of_a_proxy_proves_no_absence_and_stripes_own_does(
    server: AnsweringServer, gateway: calls.Gateway
) -> None:
    server.hangs_up = False

    server.says = answer(404, JSON, MISSING)
    by_proxy = BY_NAME["retrieve"].ask(gateway)
    server.says = answer(404, STRIPES, MISSING)
    by_stripe = calls.retrieve(gateway, "pi_1")

    assert isinstance(by_proxy, Unknown)
    assert by_stripe.payment_intent is None


# --- the controls: Stripe's own -------------------------------------------------------------


def test_stripes_own_successes_are_believed(
    server: AnsweringServer, gateway: calls.Gateway
) -> None:
    told = {}
    server.hangs_up = False

    for asked in CALLS:
        server.says = answer(200, STRIPES, json.dumps(asked.genuine).encode())
        told[asked.name] = asked.ask(gateway)

    intent = PaymentIntentId("pi_1")
    assert told["charge"] == told["refund"] == Settled(intent)
    assert told["cancel"] == Declined("payment_intent_canceled", intent)
    assert told["find"] == []
    assert not isinstance(told["retrieve"], Unknown)
    assert not isinstance(told["find_refunds"], Unknown)


# What Stripe's own errors mean for a charge, by number; every other number is unknown.
KINDS: Final[dict[int, tuple[str, type[Outcome]]]] = {
    400: ("invalid_request_error", Parked),
    401: ("invalid_request_error", Halt),
    402: ("card_error", Declined),
    403: ("invalid_request_error", Halt),
    404: ("invalid_request_error", Halt),
    409: ("invalid_request_error", Retry),
    429: ("invalid_request_error", Retry),
}


def test_stripes_own_errors_mean_what_stripe_documents(
    server: AnsweringServer, gateway: calls.Gateway
) -> None:
    server.hangs_up = False
    for status in range(201, 600):
        kind, expected = KINDS.get(status, ("api_error", Unknown))
        server.says = answer(status, STRIPES, json.dumps(error(kind, code=None)).encode())

        told = charge(gateway)

        assert isinstance(told, expected), (status, told)


def test_a_401_of_stripes_has_its_challenge_instead_of_a_request_id(
    server: AnsweringServer, gateway: calls.Gateway
) -> None:
    """Stripe has not let the request in, and so gives it no id."""
    server.hangs_up = False
    body = json.dumps(error("invalid_request_error", code=None)).encode()

    told = []
    for challenge in ('Bearer realm="Stripe"', 'Basic realm="proxy"', "Bearer"):
        server.says = answer(401, {**JSON, "WWW-Authenticate": challenge}, body)
        told.append(charge(gateway))

    assert [type(outcome) for outcome in told] == [Halt, Unknown, Unknown]


def test_a_list_is_read_to_its_end_or_proves_nothing(
    server: AnsweringServer, gateway: calls.Gateway
) -> None:
    """More is announced, and what comes then is somebody else's."""
    server.hangs_up = False
    endless = {**listed(), "has_more": True}

    server.says = answer(200, STRIPES, json.dumps(endless).encode())

    assert isinstance(BY_NAME["find"].ask(gateway), Unknown)
    assert isinstance(BY_NAME["find_refunds"].ask(gateway), Unknown)


@pytest.mark.parametrize(
    "entry",
    [
        {**INTENT, "id": "ch_1"},
        {**INTENT, "object": "charge"},
        {**INTENT, "status": "requires_levitation"},
        {**INTENT, "amount": "1999"},
        {**INTENT, "livemode": True},
        "pi_1",
        None,
    ],
    ids=str,
)
def test_an_entry_of_ours_that_cannot_be_read_spoils_the_whole_list(
    server: AnsweringServer, gateway: calls.Gateway, entry: Any
) -> None:
    server.hangs_up = False
    server.says = answer(200, STRIPES, json.dumps(listed(INTENT, entry)).encode())

    assert isinstance(BY_NAME["find"].ask(gateway), Unknown)
