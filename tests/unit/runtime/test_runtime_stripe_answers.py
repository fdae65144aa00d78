"""Stripe's answers and what each one means for the money, row by row."""

from __future__ import annotations

import pytest

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
    Answer,
    outcome_of_charge,
    outcome_of_refund,
    payment_method_type,
)

PI = PaymentIntentId("pi_1")


def intent(status: str) -> Answer:
    return Answer(200, payment_intent_id=PI, object_status=status)


def error(status: int, error_type: str | None = None, code: str | None = None) -> Answer:
    return Answer(status, error_type=error_type, error_code=code)


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
        (error(402, "card_error", "card_declined"), Declined("card_declined")),
        (error(402, "card_error", None), Declined("card_declined")),
        (error(400, "card_error", "incorrect_cvc"), Declined("incorrect_cvc")),
        (error(400, "invalid_request_error", "amount_too_small"), Parked("amount_too_small")),
        (error(400, "invalid_request_error"), Parked("invalid_request_error")),
        (error(400, "idempotency_error"), Parked("idempotency_error")),
        (error(400), Parked("http 400")),
        (error(401, "invalid_request_error", "api_key_expired"), Halt("api_key_expired")),
        (error(401), Halt("http 401")),
        (error(403), Halt("http 403")),
        (error(404, "invalid_request_error", "resource_missing"), Halt("resource_missing")),
        (
            error(409, "invalid_request_error", "idempotency_key_in_use"),
            Retry("idempotency_key_in_use", may_run=True),
        ),
        (
            error(409, "idempotency_error", "idempotency_key_in_use"),
            Retry("idempotency_key_in_use", may_run=True),
        ),
        (error(429, "invalid_request_error", "lock_timeout"), Retry("lock_timeout")),
        (error(400, "invalid_request_error", "lock_timeout"), Retry("lock_timeout")),
        (error(429, "invalid_request_error", "rate_limit"), Retry("rate_limit")),
        (error(429), Retry("http 429")),
        (error(500, "api_error"), Unknown("http 500")),
        (error(502), Unknown("http 502")),
        (error(503), Unknown("http 503")),
        (error(504), Unknown("http 504")),
        # What the SDK calls APIError with status 200: a body that was cut or is no JSON.
        (Answer(200), Unknown("2xx without a readable PaymentIntent")),
        (Answer(200, payment_intent_id=PI), Unknown("2xx without a readable PaymentIntent")),
        (Answer(301), Unknown("http 301")),
        (Answer(None), Unknown("no answer")),
        (Answer(None, sent=False), Retry("connection refused")),
    ],
    ids=str,
)
def test_each_answer_to_a_charge_has_its_outcome(answer: Answer, outcome: Outcome) -> None:
    assert outcome_of_charge(answer) == outcome


def test_an_order_that_names_a_method_that_is_not_there_stops_nobody_else() -> None:
    answer = Answer(404, error_code="resource_missing", error_param="payment_method")

    assert outcome_of_charge(answer) == Parked("resource_missing")


def test_a_replayed_5xx_is_a_saved_failure() -> None:
    assert outcome_of_charge(Answer(500, replayed=True)) == Unknown("http 500", saved_failure=True)


def test_a_replayed_success_is_a_success() -> None:
    answer = Answer(200, payment_intent_id=PI, object_status="succeeded", replayed=True)

    assert outcome_of_charge(answer) == Settled(PI)


def test_a_decline_carries_the_issuers_word_and_the_payment_intent() -> None:
    answer = Answer(
        402,
        payment_intent_id=PI,
        error_type="card_error",
        error_code="card_declined",
        decline_code="insufficient_funds",
    )

    assert outcome_of_charge(answer) == Declined("card_declined", PI, "insufficient_funds")


def test_retry_after_is_honoured_on_a_rate_limit() -> None:
    answer = Answer(429, error_code="rate_limit", retry_after_seconds=3.0)

    assert outcome_of_charge(answer) == Retry("rate_limit", 3.0)


def test_a_status_nobody_knows_yet_is_unknown() -> None:
    assert isinstance(outcome_of_charge(intent("requires_levitation")), Unknown)


@pytest.mark.parametrize("status", range(500, 600, 9))
def test_no_5xx_is_ever_final(status: int) -> None:
    assert isinstance(outcome_of_charge(error(status, "card_error", "card_declined")), Unknown)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (intent("succeeded"), Settled(PI)),
        (intent("pending"), Pending(PI, "pending")),
        (intent("requires_action"), Pending(PI, "requires_action")),
        (intent("failed"), Declined("refund_failed", PI)),
        (intent("canceled"), Declined("refund_canceled", PI)),
        (error(400, "invalid_request_error", "charge_already_refunded"),
         Parked("charge_already_refunded")),
        (error(409, None, "idempotency_key_in_use"), Retry("idempotency_key_in_use", may_run=True)),
        (error(500), Unknown("http 500")),
        (Answer(None), Unknown("no answer")),
        (Answer(200), Unknown("2xx without a readable Refund")),
    ],
    ids=str,
)  # fmt: skip
def test_each_answer_to_a_refund_has_its_outcome(answer: Answer, outcome: Outcome) -> None:
    assert outcome_of_refund(answer) == outcome


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
