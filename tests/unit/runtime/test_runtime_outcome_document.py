"""The gateway's answer on the wire: what one end writes the other reads, and half of it is nothing.

Round trips are drawn; what broken documents mean is written out.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.adapters.gateway_client import parse_answer
from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome import (
    Declined,
    Halt,
    Outcome,
    Parked,
    Pending,
    Retry,
    Settled,
    Unknown,
)
from runtime.domain.outcome_document import (
    DOCUMENT_TYPE,
    PROBLEM_TYPE,
    UNREADABLE,
    decode,
    encode,
    refusal,
    word_of,
)
from runtime.services.payments_gateway.schema import OutcomeBody, outcome_body

PI = PaymentIntentId("pi_1")
JSON_HEADERS = {"Content-Type": DOCUMENT_TYPE}

TEXTS = st.text(max_size=40)
INTENTS = st.text(min_size=1, max_size=40).map(PaymentIntentId)
SECONDS = st.none() | st.floats(min_value=0, allow_infinity=False)
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Settled, INTENTS),
    st.builds(Pending, INTENTS, TEXTS),
    st.builds(Declined, TEXTS, st.none() | INTENTS, st.none() | TEXTS),
    st.builds(Parked, TEXTS),
    st.builds(Halt, TEXTS),
    st.builds(Retry, TEXTS, SECONDS, *[st.booleans()] * 3),
    st.builds(Unknown, TEXTS, st.booleans()),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
FIELDS = (
    *("payment_intent_id", "status", "code", "decline_code", "retry_after_seconds"),
    *("may_run", "patient", "unreached", "replayed"),
)


@given(OUTCOMES)
def test_every_outcome_survives_the_wire(outcome: Outcome) -> None:
    assert decode(json.loads(json.dumps(encode(outcome)))) == outcome


@given(OUTCOMES.filter(lambda outcome: not (isinstance(outcome, Retry) and outcome.patient)))
def test_every_outcome_survives_from_the_gateways_body_to_the_workers_answer(
    outcome: Outcome,
) -> None:
    sent = outcome_body(outcome, stripe_request_id="req_1").model_dump_json().encode()

    answer = parse_answer(200, JSON_HEADERS, sent)

    assert (answer.outcome, answer.stripe_request_id) == (outcome, "req_1")


def test_an_outcome_that_the_body_cannot_hold_is_an_error_and_not_another_outcome() -> None:
    with pytest.raises(ValueError, match="patient"):
        outcome_body(Retry("no_v1_outcome", patient=True))


@given(JSON)
def test_no_document_makes_the_decoder_raise(document: Any) -> None:
    assert isinstance(decode(document), get_args(Outcome))


@given(st.binary(max_size=200), st.sampled_from([200, 401, 409, 422, 500, 503]))
def test_no_body_makes_the_client_raise(body: bytes, status: int) -> None:
    headers = {"Content-Type": DOCUMENT_TYPE if status == 200 else PROBLEM_TYPE}

    assert isinstance(parse_answer(status, headers, body).outcome, get_args(Outcome))


@given(
    st.sampled_from(["settled", "pending", "declined", "parked", "halt", "retry", "unknown"]),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
)
def test_a_document_is_read_as_its_own_word_or_as_unknown(word: str, rest: Any) -> None:
    assert word_of(decode({"outcome": word, **rest})) in (word, "unknown")


@pytest.mark.parametrize("word", ["splendid", "Settled", "", None, 1, ["settled"], {}])
def test_a_word_nobody_has_agreed_on_is_unknown(word: object) -> None:
    assert decode({"outcome": word, "payment_intent_id": "pi_1"}) == Unknown("unknown")


@pytest.mark.parametrize(
    "document",
    [
        {"outcome": "declined", "code": 7},
        {"outcome": "declined", "code": "expired_card", "payment_intent_id": {}},
        {"outcome": "parked", "code": ["amount_too_small"]},
        {"outcome": "retry", "code": "rate_limit", "retry_after_seconds": "soon"},
        {"outcome": "retry", "code": "rate_limit", "retry_after_seconds": True},
        {"outcome": "retry", "code": "rate_limit", "retry_after_seconds": float("nan")},
        {"outcome": "retry", "code": "rate_limit", "may_run": "false"},
        {"outcome": "settled", "payment_intent_id": 1},
    ],
)
def test_a_field_of_the_wrong_type_spoils_the_whole_answer(document: object) -> None:
    assert decode(document) == Unknown(UNREADABLE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"settled"',
        b'{"outcome":"sett',
        b'{"outcome":"declined","outcome":"settled","payment_intent_id":"pi_1"}',
        b'{"outcome":"retry","retry_after_seconds":NaN}',
        b"[" * 100_000,
        b'{"a":' * 5_000,
    ],
    ids=lambda body: body[:20].decode(),
)
def test_a_body_that_is_no_single_object_is_unknown(body: bytes) -> None:
    assert parse_answer(200, JSON_HEADERS, body).outcome == Unknown(UNREADABLE)


def test_the_shape_on_the_wire_stays_as_it_is() -> None:
    """What the documentation promises and other versions of either end rely on."""
    declined = outcome_body(Declined("card_declined", PI, "lost_card"), replayed=True)

    assert declined.model_dump() == {
        "outcome": "declined",
        "payment_intent_id": "pi_1",
        "status": None,
        "code": "card_declined",
        "decline_code": "lost_card",
        "retry_after_seconds": None,
        "may_run": False,
        "unreached": False,
        "stripe_request_id": None,
        "stripe_refund_id": None,
        "replayed": True,
    }
    assert set(FIELDS) - {"patient"} <= OutcomeBody.model_fields.keys()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2.0), (None, None), ("", None), ("-1", None), ("²", None), ("Fri, 01 Jan", None)],
)
def test_a_retry_after_is_whole_seconds_or_nothing(
    header: str | None, seconds: float | None
) -> None:
    told = refusal(409, {"code": "no_v1_outcome"}, header, not_sent=False)

    assert told == Retry("no_v1_outcome", seconds, patient=True)
