"""The gateway's door: nothing without the token, nothing echoed, nothing unknown taken.

Bytes over a plain socket against the real process; whatever is refused has written no line in the
journal and reached no Stripe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from bookpayctl.clients.raw_http import RawAnswer, RawRequest, exchange
from tests.support.processes import ServiceProcess, free_port, running
from tests.support.services_alone import gateway_alone
from tests.support.stack import GATEWAY_TOKEN, Database
from tests.support.twin import Twin, running_twin

# Stands in every refused body; no answer may repeat it.
MARKER = "echo-me-if-you-dare"
NO_QUESTION = (422, "request_invalid")
CHARGE = {
    "event_id": "11111111-2222-4333-8444-555555555555",
    "order_id": "ord_1",
    "tenant_id": "acme",
    "amount_cents": 100,
    "currency": "usd",
}


@pytest.fixture(scope="module")
def own(create_database: Callable[..., str]) -> Iterator[Database]:
    fresh = Database(create_database())
    yield fresh
    fresh.conn.close()


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    with running_twin(tmp_path_factory.mktemp("twin")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    own: Database, twin: Twin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    directory = tmp_path_factory.mktemp("gateway")
    with running(gateway_alone(own.dsn, directory, stripe_api_base=twin.api)) as service:
        yield service


def ask(
    gateway: ServiceProcess,
    method: str,
    path: str,
    body: object = b"",
    *headers: str,
    token: str | None = GATEWAY_TOKEN,
    content_type: str = "application/json",
) -> RawAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(raw)}", *headers]
    if method == "POST":
        lines.append(f"Content-Type: {content_type}")
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    whole = "\r\n".join(lines).encode() + b"\r\n\r\n" + raw
    return exchange("127.0.0.1", gateway.port, RawRequest(raw, lambda: [whole]))


def refusal(heard: RawAnswer) -> tuple[int | None, str]:
    """Status and code of a problem document that is one."""
    problem = json.loads(heard.body)
    assert set(problem) == {"type", "title", "status", "code"}
    assert problem["status"] == heard.status
    assert heard.headers["content-type"] == "application/problem+json"
    assert MARKER.encode() not in heard.body
    return heard.status, problem["code"]


def calls(own: Database, twin: Twin) -> tuple[int, int]:
    """Lines of the journal, and requests that Stripe has seen."""
    journal: int = own.value("SELECT count(*) FROM stripe_calls")
    return journal, len(twin.rows("/requests", limit=1000))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/charge", CHARGE),
        ("POST", "/charge", b"{"),
        ("POST", "/charge", b"\xff" * 10),
        ("POST", "/charge", b" " * 100_000),
        ("POST", "/refund", {}),
        ("POST", "/cancel", {}),
        ("GET", "/payment-intents/pi_1", b""),
        ("GET", "/payment-intents", b""),
        ("GET", "/payment-intents?created_gte=nonsense", b""),
        ("DELETE", "/charge", b""),
        ("GET", "/no-such-path", b""),
        ("GET", "/docs", b""),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("token", [None, "", "wrong", GATEWAY_TOKEN[:-1], GATEWAY_TOKEN + "x"])
def test_without_the_token_everything_is_unauthorized_whatever_else_is_wrong(
    gateway: ServiceProcess, own: Database, twin: Twin, method: str, path: str, body: object,
    token: str | None,
) -> None:  # fmt: skip
    before = calls(own, twin)

    heard = ask(gateway, method, path, body, token=token)

    assert refusal(heard) == (401, "unauthorized")
    assert heard.headers["www-authenticate"] == "Bearer"
    assert calls(own, twin) == before


def test_two_tokens_are_no_token(gateway: ServiceProcess) -> None:
    heard = ask(gateway, "POST", "/charge", CHARGE, "Authorization: Bearer other")

    assert refusal(heard) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "body_invalid"),
        (b"", "body_invalid"),
        (b"\xff", "body_invalid"),
        (b"[" * 50_000, "body_invalid"),
        (b'{"amount_cents":NaN}', "body_invalid"),
        (json.dumps(CHARGE).encode()[:-1] + b',"amount_cents":1}', "body_invalid"),
        (json.dumps({**CHARGE, "amount_cents": 2**53 + 1}).encode(), "body_invalid"),
        ([], "request_invalid"),
        ({}, "request_invalid"),
        ({**CHARGE, MARKER: 1}, "request_invalid"),
        ({**CHARGE, "order_id": MARKER + "\x00"}, "request_invalid"),
        ({**CHARGE, "order_id": MARKER * 100}, "request_invalid"),
        ({**CHARGE, "currency": MARKER}, "request_invalid"),
        ({**CHARGE, "event_id": MARKER}, "request_invalid"),
        ({**CHARGE, "amount_cents": 0}, "request_invalid"),
        ({**CHARGE, "amount_cents": "100"}, "request_invalid"),
        ({**CHARGE, "amount_cents": True}, "request_invalid"),
        ({**CHARGE, "amount_cents": 100.0}, "request_invalid"),
        ({**CHARGE, "amount_cents": 100_000_000}, "request_invalid"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_charge_that_is_none_is_refused_without_a_word_of_it(
    gateway: ServiceProcess, own: Database, twin: Twin, body: object, code: str
) -> None:
    before = calls(own, twin)

    heard = ask(gateway, "POST", "/charge", body)

    assert refusal(heard) == (422, code)
    assert calls(own, twin) == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/refund", {"key": "k", "payment_intent_id": MARKER, "amount_cents": 1,
                     "refund_id": CHARGE["event_id"]}),
        ("/cancel", {"event_id": CHARGE["event_id"], "payment_intent_id": f"pi_/{MARKER}"}),
        ("/cancel", {"event_id": CHARGE["event_id"], "payment_intent_id": "pi_1", MARKER: 1}),
    ],
)  # fmt: skip
def test_other_bodies_are_held_to_their_shape_too(
    gateway: ServiceProcess, path: str, body: object
) -> None:
    assert refusal(ask(gateway, "POST", path, body)) == (422, "request_invalid")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/payment-intents", NO_QUESTION),
        (f"/payment-intents?created_gte={MARKER}&event_id={CHARGE['event_id']}", NO_QUESTION),
        (f"/payment-intents?created_gte=-1&event_id={CHARGE['event_id']}", NO_QUESTION),
        (f"/payment-intents?created_gte=1&event_id={MARKER}", NO_QUESTION),
        (
            f"/payment-intents?created_gte=1&event_id={CHARGE['event_id']}&{MARKER}=1",
            NO_QUESTION,
        ),
        (f"/payment-intents/{MARKER}", NO_QUESTION),
        ("/payment-intents/pi_1%2f..%2fcharges", (404, "not_found")),
        ("/payment-intents/ch_1", NO_QUESTION),
    ],
)
def test_a_question_that_is_none_is_refused_and_stripe_is_not_asked(
    gateway: ServiceProcess, own: Database, twin: Twin, path: str, answer: tuple[int, str]
) -> None:
    before = calls(own, twin)

    heard = ask(gateway, "GET", path)

    assert refusal(heard) == answer
    assert calls(own, twin) == before


@pytest.mark.parametrize(
    ("path", "headers", "content_type", "answer"),
    [
        ("/charge", (), "text/plain", (415, "content_type")),
        ("/charge", ("Content-Encoding: gzip",), "application/json", (415, "content_type")),
        ("/charge", ("X: " + "x" * 40_000,), "application/json", (431, "head_too_large")),
        ("/charge/", (), "application/json", (404, "not_found")),
        ("/payment-intents", (), "application/json", (405, "method_not_allowed")),
    ],
)
def test_a_request_that_is_none_is_refused_as_the_orders_api_does(
    gateway: ServiceProcess,
    path: str,
    headers: tuple[str, ...],
    content_type: str,
    answer: tuple[int, str],
) -> None:
    heard = ask(gateway, "POST", path, CHARGE, *headers, content_type=content_type)

    assert refusal(heard) == answer


def test_a_body_over_64_kib_is_refused(gateway: ServiceProcess) -> None:
    assert refusal(ask(gateway, "POST", "/charge", b" " * 70_000)) == (413, "body_too_large")


def test_a_good_charge_is_made_once_and_told_with_stripes_own_status(
    gateway: ServiceProcess, twin: Twin
) -> None:
    """The control: what refuses everything would have passed all of the above."""
    event_id = str(uuid4())
    charge = {**CHARGE, "event_id": event_id}

    heard = [ask(gateway, "POST", "/charge", charge) for _ in range(2)]

    assert [(one.status, one.headers["x-stripe-status"]) for one in heard] == [(200, "200")] * 2
    assert [json.loads(one.body)["outcome"] for one in heard] == ["settled"] * 2
    assert [json.loads(one.body)["replayed"] for one in heard] == [False, True]
    assert len(twin.charges(event_id)) == 1


def test_probes_and_the_description_need_no_token(gateway: ServiceProcess) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert ask(gateway, "GET", path, token=None).status == 200


def test_a_journal_that_is_away_is_a_503_that_says_nothing_was_sent(
    gateway: ServiceProcess, own: Database, twin: Twin
) -> None:
    before = len(twin.rows("/requests", limit=1000))
    with psycopg.connect(own.dsn) as holder:
        holder.execute("LOCK TABLE bookstore_platform.stripe_calls IN ACCESS EXCLUSIVE MODE")
        heard = ask(gateway, "POST", "/charge", {**CHARGE, "event_id": str(uuid4())})

    assert refusal(heard) == (503, "journal_unavailable")
    assert heard.headers["retry-after"] == "1"
    assert heard.headers["x-bookpay-not-sent"] == "true"
    assert len(twin.rows("/requests", limit=1000)) == before


def test_stripe_away_is_a_retry_for_a_charge_and_a_503_for_a_question(
    own: Database, tmp_path: Path
) -> None:
    """Nobody listens there: a charge has an outcome all the same, a question has no answer."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with running(gateway_alone(own.dsn, tmp_path, stripe_api_base=nowhere)) as away:
        charge = ask(away, "POST", "/charge", {**CHARGE, "event_id": str(uuid4())})
        questions = [
            ask(away, "GET", "/payment-intents/pi_1"),
            ask(away, "GET", f"/payment-intents?created_gte=1&event_id={uuid4()}"),
        ]

    assert charge.status == 200
    assert json.loads(charge.body)["outcome"] == "retry"
    assert "x-stripe-status" not in charge.headers
    assert {refusal(one) for one in questions} == {(503, "stripe_unavailable")}
    assert "Traceback" not in away.log
