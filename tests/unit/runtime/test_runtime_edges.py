"""What services read from each other and from Stripe, and what they tell people."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from typing import Any
from uuid import UUID

import pytest

from runtime.__main__ import parse_arguments
from runtime.adapters.gateway_client import FoundIntent, parse_answer
from runtime.adapters.store.payments import PaymentRow
from runtime.domain.event import ReceivedEvent, Record
from runtime.domain.money import Money
from runtime.domain.names import (
    EventId,
    OrderId,
    PaymentIntentId,
    PaymentState,
    StripeEventId,
    TenantId,
)
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
from runtime.domain.payment_events import (
    Event,
    Payment,
    SeenFailed,
    SeenOpen,
    SeenOtherMoney,
    SeenSucceeded,
)
from runtime.domain.stripe_event import Kind, StripeEvent
from runtime.services.notifier import message as emails
from runtime.services.payments_reconciler.charges import to_event
from runtime.services.payments_worker.inbox import sort_records
from runtime.steps.webhook import disagreement

ROOT = EventId(UUID("11111111-2222-4333-8444-555555555555"))
PI = PaymentIntentId("pi_1")
MONEY = Money(4999, "usd")
OPEN_STATUSES = {
    *("processing", "requires_payment_method", "requires_confirmation"),
    *("requires_action", "requires_capture"),
}

# --- the gateway's answers ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"outcome": "settled", "payment_intent_id": "pi_1"}, Settled(PI)),
        (
            200,
            {"outcome": "pending", "payment_intent_id": "pi_1", "status": "processing"},
            Pending(PI, "processing"),
        ),
        (200, {"outcome": "declined", "code": "expired_card"}, Declined("expired_card")),
        (200, {"outcome": "parked", "code": "amount_too_small"}, Parked("amount_too_small")),
        (200, {"outcome": "halt", "code": "api_key_expired"}, Halt("api_key_expired")),
        (
            200,
            {"outcome": "retry", "code": "rate_limit", "retry_after_seconds": 4},
            Retry("rate_limit", 4),
        ),
        (200, {"outcome": "unknown", "code": "http 500"}, Unknown("http 500")),
        (
            200,
            {"outcome": "unknown", "code": "http 500", "replayed": True},
            Unknown("http 500", saved_failure=True),
        ),
        # A success that names no PaymentIntent, and a word nobody has agreed on.
        (200, {"outcome": "settled"}, Unknown("unknown")),
        (200, {"outcome": "splendid", "payment_intent_id": "pi_1"}, Unknown("unknown")),
        (200, [], Unknown("unreadable gateway answer")),
        (401, {"code": "unauthorized"}, Halt("the gateway refused our token")),
        (409, {"code": "no_v1_outcome"}, Retry("no_v1_outcome", 2.0, patient=True)),
        (422, {"code": "body_invalid"}, Parked("gateway_rejected_request")),
        (422, {"code": "request_invalid"}, Parked("gateway_rejected_request")),
        (503, {}, Retry("gateway unavailable", 2.0, unreached=True)),
        # The same numbers, said by somebody else.
        (401, {}, Unknown("gateway http 401")),
        (401, {"code": "no_v1_outcome"}, Unknown("gateway http 401")),
        (401, {"code": ["unauthorized"]}, Unknown("gateway http 401")),
        (402, {"code": "unauthorized"}, Unknown("gateway http 402")),
        (409, {}, Unknown("gateway http 409")),
        (422, {"code": 422}, Unknown("gateway http 422")),
        (422, [], Unknown("gateway http 422")),
        (500, {}, Unknown("gateway http 500")),
        (502, {"outcome": "settled", "payment_intent_id": "pi_1"}, Unknown("gateway http 502")),
    ],
)
def test_each_answer_of_the_gateway_has_its_outcome(
    status: int, body: object, outcome: Outcome
) -> None:
    kind = "application/json" if status == 200 else "application/problem+json"
    headers = {"Content-Type": kind, "Retry-After": "2"}
    if status == 503:
        headers["X-Bookpay-Not-Sent"] = "true"

    answer = parse_answer(status, headers, json.dumps(body).encode())

    assert answer.outcome == outcome


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"outcome": "declined", "code": "card_declined"}),
        (401, {"code": "unauthorized"}),
        (409, {"code": "no_v1_outcome"}),
        (422, {"code": "body_invalid"}),
    ],
)
@pytest.mark.parametrize("content_type", ["text/html", "text/plain; charset=utf-8", "", None])
def test_an_answer_of_another_media_type_is_not_the_gateways(
    status: int, body: object, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    answer = parse_answer(status, headers, json.dumps(body).encode())

    assert isinstance(answer.outcome, Unknown)


def test_a_503_that_is_not_the_gateways_own_says_nothing() -> None:
    answer = parse_answer(503, {"Content-Type": "text/plain"}, b"upstream reset")

    assert answer.outcome == Unknown("gateway http 503")


def test_a_gateway_answer_that_was_cut_is_unknown() -> None:
    answer = parse_answer(200, {"Content-Type": "application/json"}, b'{"outcome":"sett')

    assert answer.outcome == Unknown("unreadable gateway answer")


# --- what the reconciler reads --------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "event"),
    [
        ("succeeded", None, SeenSucceeded(PI)),
        ("canceled", None, SeenFailed(PI, "payment_intent_canceled")),
        ("requires_payment_method", "card_declined", SeenFailed(PI, "card_declined")),
        ("requires_payment_method", None, SeenOpen(PI)),
        ("requires_action", None, SeenOpen(PI)),
        ("processing", None, SeenOpen(PI)),
        ("requires_levitation", None, SeenOpen(PI)),
    ],
)
def test_a_payment_intent_is_news_by_its_status(
    status: str, code: str | None, event: Event
) -> None:
    received = 4999 if status == "succeeded" else 0

    assert to_event(FoundIntent(PI, status, code, MONEY, received), MONEY) == event


@pytest.mark.parametrize(
    ("money", "received", "code"),
    [
        (Money(4998, "usd"), 4998, "amount_mismatch"),
        (Money(4998, "usd"), 4999, "amount_mismatch"),
        (None, 4999, "amount_mismatch"),
        (Money(4999, "eur"), 4999, "currency_mismatch"),
        (MONEY, 4998, "amount_received_mismatch"),
        (MONEY, 0, "amount_received_mismatch"),
        (MONEY, 5000, "amount_received_mismatch"),
        (MONEY, None, "amount_received_mismatch"),
    ],
)
def test_a_success_of_other_money_is_no_success(
    money: Money | None, received: int | None, code: str
) -> None:
    found = FoundIntent(PI, "succeeded", None, money, received)

    assert to_event(found, MONEY) == SeenOtherMoney(code)


# --- whether a webhook is about this payment ------------------------------------------------

ROW = PaymentRow(
    event_id=ROOT,
    order_id=OrderId("ord_1"),
    tenant_id=TenantId("acme"),
    money=Money(4999, "usd"),
    payment_method=None,
    payment=Payment(PaymentState.CHARGING),
    started_attempts=1,
    lease_token=None,
    key_age_seconds=1.0,
    attempt_age_seconds=1.0,
    age_seconds=1.0,
    read_at=datetime(2026, 3, 1, tzinfo=UTC),
    quiet_seconds=1.0,
)
WEBHOOK = StripeEvent(
    stripe_event_id=StripeEventId("evt_1"),
    type="payment_intent.succeeded",
    kind=Kind.SUCCEEDED,
    livemode=False,
    account=None,
    object_id="pi_1",
    status="succeeded",
    money=Money(4999, "usd"),
    metadata_event_id=str(ROOT),
    metadata_env="test",
    metadata_refund_id=None,
    shadow=False,
    idempotency_key=str(ROOT),
    failure_code=None,
    object_kind="payment_intent",
    amount_cents=4999,
    amount_received_cents=4999,
)


@pytest.mark.parametrize(
    "changes",
    [{}, {"idempotency_key": None}, {"idempotency_key": f"{ROOT}:cancel"}],
)
def test_an_event_that_agrees_in_everything_is_ours(changes: dict[str, Any]) -> None:
    assert disagreement(ROW, replace(WEBHOOK, **changes)) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"money": Money(4998, "usd")}, "amount"),
        ({"money": Money(4998, "eur")}, "amount"),
        ({"money": None, "amount_cents": None}, "amount"),
        # The sum is right, so it is the currency that is none, as one in capitals.
        ({"money": None}, "currency"),
        ({"amount_received_cents": 4998}, "amount_received"),
        ({"amount_received_cents": 0}, "amount_received"),
        ({"amount_received_cents": 5000}, "amount_received"),
        ({"amount_received_cents": None}, "amount_received"),
        ({"status": "processing"}, "status"),
        ({"status": "requires_capture"}, "status"),
        ({"status": None}, "status"),
        ({"money": Money(4999, "eur")}, "currency"),
        ({"idempotency_key": str(uuid.UUID(int=1))}, "idempotency_key"),
    ],
)
def test_an_event_that_disagrees_is_not_ours(changes: dict[str, Any], reason: str) -> None:
    assert disagreement(ROW, replace(WEBHOOK, **changes)) == reason


def test_another_payment_intent_is_not_ours_once_we_know_which_is() -> None:
    known = replace(ROW, payment=Payment(PaymentState.PROCESSING, payment_intent_id=PI))

    assert disagreement(known, WEBHOOK) is None
    assert disagreement(known, replace(WEBHOOK, object_id="pi_2")) == "other_payment_intent"


@pytest.mark.parametrize("key", ["phone-1", "dashboard", None, str(ROOT)])
def test_our_payment_intent_is_believed_whoever_moved_it(key: str | None) -> None:
    """A customer confirms it in a browser, a person captures it: each under a key of their own."""
    known = replace(ROW, payment=Payment(PaymentState.PROCESSING, payment_intent_id=PI))

    assert disagreement(known, replace(WEBHOOK, idempotency_key=key)) is None


FAILED, CANCELED = "payment_intent.payment_failed", "payment_intent.canceled"
PROCESSING, ACTION = "payment_intent.processing", "payment_intent.requires_action"


@pytest.mark.parametrize(
    ("event_type", "fitting"),
    [
        ("payment_intent.succeeded", {"succeeded"}),
        (FAILED, {"requires_payment_method", "canceled"}),
        (CANCELED, {"canceled"}),
        (PROCESSING, OPEN_STATUSES),
        (ACTION, OPEN_STATUSES),
    ],
)
def test_an_event_is_believed_in_the_states_that_stripe_tells_it_in(
    event_type: str, fitting: set[str]
) -> None:
    kinds = {"payment_intent.succeeded": Kind.SUCCEEDED, FAILED: Kind.FAILED, CANCELED: Kind.FAILED}
    told = replace(WEBHOOK, type=event_type, kind=kinds.get(event_type, Kind.OPEN))
    every = {*OPEN_STATUSES, "succeeded", "canceled", "requires_levitation", None}

    believed = {s for s in every if disagreement(ROW, replace(told, status=s)) is None}

    assert believed == fitting


# --- refunds, records, e-mails, arguments ---------------------------------------------------


def kafka_record(topic: str, **changes: Any) -> Record:
    body = {"event_id": str(ROOT), "order_id": "ord_1", "amount_cents": 100, "currency": "usd"}
    value = json.dumps(body | changes).encode()
    return Record(topic, 0, 1, b"", value, {"tenant_id": "acme", "created_at": "not a time"})


def test_a_batch_is_told_apart_by_topic_and_by_what_can_be_read() -> None:
    batch = sort_records(
        [
            kafka_record("orders.placed"),
            kafka_record("orders.cancelled"),
            kafka_record("orders.placed", amount_cents=0),
            kafka_record("orders.placed", payment_method="\x00"),
        ]
    )

    assert [item.event.order_id for item in batch.placed] == ["ord_1"]
    assert [event.order_id for _, event in batch.cancelled] == ["ord_1"]
    assert [reason for _, reason in batch.malformed] == ["amount", "payment_method"]


def test_a_header_that_is_no_time_is_no_reason_to_refuse_an_order() -> None:
    batch = sort_records([kafka_record("orders.placed")])

    assert batch.placed[0].written_at is None


def test_an_e_mail_has_one_message_id_per_event() -> None:
    event = ReceivedEvent(ROOT, ROOT, OrderId("ord_1"), TenantId("acme"), Money(4999, "usd"), {})

    letter = emails.to_email(
        "orders.paid", event, to_address="c@x.example", from_address="o@x.example"
    )

    assert letter.message_id == f"<{ROOT}@bookpay.example>"
    assert letter.text == "Order ord_1: your order is paid (49.99 USD).\n"


@pytest.mark.parametrize("order_id", ["ord_1", "заказ-1", "a" * 255])
@pytest.mark.parametrize("sender", ["o@x.example", "Shop <o@x.example>", "書店 <o@x.example>"])
def test_a_letter_is_read_as_it_was_meant(sender: str, order_id: str) -> None:
    event = ReceivedEvent(ROOT, ROOT, OrderId(order_id), TenantId("acme"), Money(4999, "usd"), {})
    letter = emails.to_email("orders.paid", event, to_address="c@x.example", from_address=sender)

    content = letter.content()

    read = message_from_bytes(content, policy=SMTP)
    assert (read["From"], read["To"]) == (sender, "c@x.example")
    assert (read["Subject"], read["Message-ID"]) == ("Your order is paid", letter.message_id)
    assert read.get_content().splitlines() == letter.text.splitlines()
    assert content.count(b"\n") == content.count(b"\r\n")


@pytest.mark.parametrize(
    ("customer", "address"),
    [
        ("cust_1", "cust_1@customers.bookpay.example"),
        (None, "ord_1@customers.bookpay.example"),
        ("a\r\nBcc: x@y", "a__Bcc__x_y@customers.bookpay.example"),
        ("...", "unknown@customers.bookpay.example"),
    ],
)
def test_no_customer_id_can_write_its_own_headers(customer: str | None, address: str) -> None:
    assert emails.recipient(customer, "ord_1") == address


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["orders-service"],
        ["payments-worker", "--role", "http"],
        ["payments-worker", "--group", "g"],
        ["payments-worker", "--until-end"],
        ["notifier", "--group", "g", "--until-end"],
        ["no-such-service"],
    ],
)
def test_arguments_that_do_not_belong_together_are_refused(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(argv, None)

    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_events_mode_chooses_the_service_as_the_images_of_the_chapter_do() -> None:
    assert parse_arguments([], "payments-worker").service == "payments-worker"
