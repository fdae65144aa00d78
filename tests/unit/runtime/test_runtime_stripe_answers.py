"""Stripe's answers and what each one means for the money, row by row.

Whose an answer is, is asked on the wire (`tests/contract/test_answers_of_others.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from runtime.domain.money import Money
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
from runtime.domain.stripe_answers import (
    AskedCharge,
    AskedRefund,
    outcome_of_cancel,
    outcome_of_charge,
    outcome_of_refund,
    payment_method_type,
)
from runtime.domain.stripe_shape import Answer, NoAnswer, NotStripes, Refusal, Shown

PI = PaymentIntentId("pi_1")
ROOT = "11111111-2222-4333-8444-555555555555"
CHARGE = AskedCharge(Money(4999, "usd"), {"event_id": ROOT, "env": "test"})
REFUND = AskedRefund("pi_1", 4999, {"refund_id": ROOT})
INVALID, CARD, API, KEY = (
    *("invalid_request_error", "card_error"),
    *("api_error", "idempotency_error"),
)


def document(status: str, **changes: Any) -> dict[str, Any]:
    """A PaymentIntent as Stripe shows it."""
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "status": status,
        "amount": 4999,
        "amount_received": 4999 if status == "succeeded" else 0,
        "currency": "usd",
        "livemode": False,
        "metadata": {"event_id": ROOT, "env": "test"},
        **changes,
    }


def intent(status: str, **changes: Any) -> Shown:
    return Shown("req_1", document(status, **changes))


def refund(status: str | None, **changes: Any) -> Shown:
    shown = {
        "id": "re_1",
        "object": "refund",
        "status": status,
        "amount": 4999,
        "currency": "usd",
        "payment_intent": "pi_1",
        "metadata": {"refund_id": ROOT},
        **changes,
    }
    return Shown("req_1", shown)


def error(status: int, error_type: str = INVALID, code: str | None = None) -> Refusal:
    return Refusal(status, "req_1", error_type, code)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (intent("succeeded"), Settled(PI)),
        (intent("processing"), Pending(PI, "processing")),
        (intent("requires_payment_method"), Pending(PI, "requires_payment_method")),
        (intent("requires_confirmation"), Pending(PI, "requires_confirmation")),
        (intent("requires_action"), Pending(PI, "requires_action")),
        (intent("requires_capture"), Pending(PI, "requires_capture")),
        (intent("canceled"), Declined("payment_intent_canceled", PI)),
        (error(402, CARD, "card_declined"), Declined("card_declined")),
        (error(402, CARD), Declined("card_declined")),
        (error(402, INVALID, "payment_failed"), Declined("payment_failed")),
        (error(400, CARD, "incorrect_cvc"), Declined("incorrect_cvc")),
        (error(400, INVALID, "amount_too_small"), Parked("amount_too_small")),
        (error(400), Parked("invalid_request_error")),
        (error(400, KEY), Parked("idempotency_error")),
        (error(401, INVALID, "api_key_expired"), Halt("api_key_expired")),
        (error(401), Halt("http 401")),
        (error(403), Halt("http 403")),
        (error(404, INVALID, "resource_missing"), Halt("resource_missing")),
        (
            error(409, INVALID, "idempotency_key_in_use"),
            Retry("idempotency_key_in_use", may_run=True),
        ),
        (error(409, KEY, "idempotency_key_in_use"), Retry("idempotency_key_in_use", may_run=True)),
        (error(429, INVALID, "lock_timeout"), Retry("lock_timeout")),
        (error(400, INVALID, "lock_timeout"), Retry("lock_timeout")),
        (error(429, INVALID, "rate_limit"), Retry("rate_limit")),
        (error(429), Retry("http 429")),
        (error(500, API), Unknown("http 500")),
        (error(502, API), Unknown("http 502")),
        (error(503, API), Unknown("http 503")),
        (error(504, API), Unknown("http 504")),
        # What Stripe does not combine is no word of Stripe's to act on.
        (error(400, API), Unknown("http 400 with api_error")),
        (error(402, API), Unknown("http 402 with api_error")),
        (error(401, CARD, "card_declined"), Unknown("http 401 with card_error")),
        (error(429, CARD, "card_declined"), Unknown("http 429 with card_error")),
        (Shown("req_1", {"object": "charge"}), Unknown("200 without a readable PaymentIntent")),
        (NotStripes(402, "a page"), Unknown("http 402 is not Stripe's: a page")),
        (NoAnswer(sent=True), Unknown("no answer")),
        (NoAnswer(sent=False), Retry("connection refused", unreached=True)),
    ],
    ids=str,
)
def test_each_answer_to_a_charge_has_its_outcome(answer: Answer, outcome: Outcome) -> None:
    assert outcome_of_charge(answer, CHARGE) == outcome


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": 4998}, "200 with another amount"),
        ({"amount": 4998, "amount_received": 4998}, "200 with another amount"),
        ({"amount_received": 4998}, "200 with another amount_received"),
        ({"amount_received": 5000}, "200 with another amount_received"),
        ({"amount_received": 0}, "200 with another amount_received"),
        ({"amount_received": None}, "200 with another amount_received"),
        ({"currency": "eur"}, "200 with another currency"),
        ({"metadata": {"event_id": "another"}}, "200 with another metadata"),
        ({"metadata": {"event_id": ROOT, "env": "prod"}}, "200 with another metadata"),
        ({"currency": "USD"}, "200 without a readable PaymentIntent"),
        ({"livemode": True}, "200 without a readable PaymentIntent"),
        ({"livemode": None}, "200 without a readable PaymentIntent"),
        ({"id": "ch_1"}, "200 without a readable PaymentIntent"),
        ({"id": None}, "200 without a readable PaymentIntent"),
        ({"object": "charge"}, "200 without a readable PaymentIntent"),
        ({"amount": True}, "200 without a readable PaymentIntent"),
        ({"amount": "4999"}, "200 without a readable PaymentIntent"),
        ({"metadata": ["event_id"]}, "200 without a readable PaymentIntent"),
    ],
    ids=str,
)
def test_a_success_about_something_else_than_was_asked_is_not_settled(
    changes: Mapping[str, Any], reason: str
) -> None:
    assert outcome_of_charge(intent("succeeded", **changes), CHARGE) == Unknown(reason)


def test_metadata_that_is_gone_contradicts_nothing() -> None:
    assert outcome_of_charge(intent("succeeded", metadata={}), CHARGE) == Settled(PI)


@pytest.mark.parametrize("method", ["automatic", "automatic_async", "manual"])
def test_however_it_was_captured_all_of_it_received_is_settled(method: str) -> None:
    answer = intent("succeeded", capture_method=method)

    assert outcome_of_charge(answer, CHARGE) == Settled(PI)


def test_a_status_nobody_knows_yet_is_unknown() -> None:
    assert isinstance(outcome_of_charge(intent("requires_levitation"), CHARGE), Unknown)


def test_an_order_that_names_a_method_that_is_not_there_stops_nobody_else() -> None:
    answer = Refusal(404, "req_1", INVALID, "resource_missing", param="payment_method")

    assert outcome_of_charge(answer, CHARGE) == Parked("resource_missing")


def test_a_replayed_5xx_is_a_saved_failure() -> None:
    answer = Refusal(500, "req_1", API, replayed=True)

    assert outcome_of_charge(answer, CHARGE) == Unknown("http 500", saved_failure=True)


def test_a_replayed_success_is_a_success() -> None:
    answer = Shown("req_1", document("succeeded"), replayed=True)

    assert outcome_of_charge(answer, CHARGE) == Settled(PI)


def declined(left_behind: dict[str, Any] | None) -> Refusal:
    return Refusal(
        402,
        "req_1",
        CARD,
        "card_declined",
        decline_code="insufficient_funds",
        payment_intent=left_behind,
    )


@pytest.mark.parametrize("status", ["requires_payment_method", "canceled"])
def test_a_decline_carries_the_issuers_word_and_the_payment_intent(status: str) -> None:
    told = outcome_of_charge(declined(document(status)), CHARGE)

    assert told == Declined("card_declined", PI, "insufficient_funds")


@pytest.mark.parametrize(
    "left_behind",
    [
        document("succeeded"),
        document("processing"),
        document("requires_capture"),
        document("requires_payment_method", amount=1),
        document("requires_payment_method", metadata={"event_id": "another"}),
        document("requires_payment_method", id="ch_1"),
        {},
    ],
    ids=str,
)
def test_a_decline_whose_payment_intent_says_otherwise_is_unknown(
    left_behind: dict[str, Any],
) -> None:
    assert isinstance(outcome_of_charge(declined(left_behind), CHARGE), Unknown)


def test_retry_after_is_honoured_on_a_rate_limit() -> None:
    answer = Refusal(429, "req_1", INVALID, "rate_limit", retry_after_seconds=3.0)

    assert outcome_of_charge(answer, CHARGE) == Retry("rate_limit", 3.0)


@pytest.mark.parametrize("status", range(500, 600, 9))
@pytest.mark.parametrize(
    ("error_type", "code"), [(CARD, "card_declined"), (INVALID, "lock_timeout"), (API, None)]
)
def test_no_5xx_is_ever_final(status: int, error_type: str, code: str | None) -> None:
    answer = error(status, error_type, code)

    assert isinstance(outcome_of_charge(answer, CHARGE), Unknown)
    assert isinstance(outcome_of_refund(answer, REFUND), Unknown)
    assert isinstance(outcome_of_cancel(answer, "pi_1"), Unknown)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (intent("canceled"), Declined("payment_intent_canceled", PI)),
        (intent("processing"), Pending(PI, "processing")),
        (intent("succeeded"), Unknown("200 with a PaymentIntent that has succeeded")),
        (
            intent("canceled", id="pi_2"),
            Unknown("200 without the PaymentIntent that was to be canceled"),
        ),
        (
            error(400, INVALID, "payment_intent_unexpected_state"),
            Parked("payment_intent_unexpected_state"),
        ),
        (
            error(402, CARD, "card_declined"),
            Unknown("a cancellation that was declined: card_declined"),
        ),
        (error(404, INVALID, "resource_missing"), Halt("resource_missing")),
        (NotStripes(200, "a page"), Unknown("http 200 is not Stripe's: a page")),
        (NoAnswer(sent=False), Retry("connection refused", unreached=True)),
    ],
    ids=str,
)
def test_each_answer_to_a_cancellation_has_its_outcome(answer: Answer, outcome: Outcome) -> None:
    assert outcome_of_cancel(answer, "pi_1") == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refund("succeeded"), Settled(PI)),
        (refund("succeeded", id="pyr_1"), Settled(PI)),
        (refund("pending"), Pending(PI, "pending")),
        (refund("requires_action"), Pending(PI, "requires_action")),
        (refund("failed"), Declined("refund_failed", PI)),
        (refund("canceled"), Declined("refund_canceled", PI)),
        (refund("levitating"), Unknown("Refund status 'levitating' is not known here")),
        (refund(None), Unknown("200 without a readable Refund")),
        (refund("succeeded", payment_intent=None), Unknown("200 without a readable Refund")),
        (refund("succeeded", id="ch_1"), Unknown("200 without a readable Refund")),
        (refund("succeeded", amount=4998), Unknown("200 with another amount")),
        (
            refund("succeeded", payment_intent="pi_2"),
            Unknown("200 with a refund of another PaymentIntent"),
        ),
        (
            refund("succeeded", metadata={"refund_id": "another"}),
            Unknown("200 with another metadata"),
        ),
        (
            error(400, INVALID, "charge_already_refunded"),
            Parked("charge_already_refunded"),
        ),
        (error(404, INVALID, "resource_missing"), Parked("resource_missing")),
        (error(409, KEY, "idempotency_key_in_use"), Retry("idempotency_key_in_use", may_run=True)),
        (error(500, API), Unknown("http 500")),
        (NotStripes(404, "a page"), Unknown("http 404 is not Stripe's: a page")),
        (NoAnswer(sent=True), Unknown("no answer")),
        (intent("succeeded"), Unknown("200 without a readable Refund")),
    ],
    ids=str,
)
def test_each_answer_to_a_refund_has_its_outcome(answer: Answer, outcome: Outcome) -> None:
    assert outcome_of_refund(answer, REFUND) == outcome


@pytest.mark.parametrize(
    ("payment_method", "kind"),
    [
        ("pm_card_visa", "card"),
        ("pm_1NabcDEF", "card"),
        ("pm_usBankAccount_success", "us_bank_account"),
        ("pm_sepaDebit_success", "sepa_debit"),
    ],
)
def test_a_method_is_a_card_unless_its_id_says_otherwise(payment_method: str, kind: str) -> None:
    assert payment_method_type(payment_method) == kind
