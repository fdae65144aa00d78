"""Places where doing nothing, or going on, would lose an order or a payment."""

from __future__ import annotations

import smtplib
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from runtime.adapters import kafka, mail
from runtime.adapters.gateway_client import FoundIntent
from runtime.adapters.store.payments import PaymentRow
from runtime.domain import outcome as o
from runtime.domain.circuit import Circuit
from runtime.domain.event import Record
from runtime.domain.key_history import KeyHistory
from runtime.domain.money import Money
from runtime.domain.names import EventId, OrderId, PaymentIntentId, TenantId
from runtime.domain.names import PaymentState as S
from runtime.domain.payment import step
from runtime.domain.payment_events import (
    Answered,
    OrderCancelled,
    Payment,
    SeenOtherMoney,
    SeenSucceeded,
    Step,
)
from runtime.lifecycle import Lifecycle
from runtime.process import Process
from runtime.services.payments_reconciler.charges import creation_window, news_of
from runtime.services.payments_worker.executor import Executor
from runtime.steps.queue import PaymentClaim


class Position:
    """A consumer's positions: partition 0 was taken away, partition 1 is ours."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.moved: dict[int, int] = {}

    def seek(self, place: TopicPartition) -> None:
        if place.partition == 0 or self.broken:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self.moved[place.partition] = place.offset

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition("orders.placed", 1)]


def record(partition: int, offset: int) -> Record:
    return Record("orders.placed", partition, offset, b"", b"{}", {})


def test_a_partition_that_was_taken_away_does_not_keep_the_others_from_going_back() -> None:
    position: Any = Position()

    kafka.rewind(position, [record(0, 5), record(1, 8), record(1, 7)])

    assert position.moved == {1: 7}


def test_a_partition_of_ours_that_cannot_go_back_ends_the_process() -> None:
    position: Any = Position(broken=True)

    with pytest.raises(kafka.PositionLostError, match=r"orders\.placed/1"):
        kafka.rewind(position, [record(1, 7)])


class Waits(threading.Event):
    """An event that notes how often it is waited for, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        return True


def test_a_worker_whose_circuit_is_open_waits_instead_of_spinning() -> None:
    nothing: Any = None
    wake = Waits()
    executor = Executor(
        *(nothing, nothing, nothing, nothing, 64, 3.0, nothing),
        wake=wake,
        circuit=Circuit(open_until=time.monotonic() + 3600, openings=1),
    )

    for _ in range(5):
        executor.run_once()

    assert wake.waits == 5


class NothingDue(Executor):
    """Claims nothing."""

    def _claim(self, now: float, limit: int) -> int:
        return 0


class RefusedMeanwhile(Executor):
    """Claims nothing, and hears of an attempt that Stripe refuses while it looks."""

    def _claim(self, now: float, limit: int) -> int:
        self._update_circuit(o.Halt("api_key_expired"))
        return 0


def test_a_refusal_that_comes_while_nothing_is_due_leaves_the_worker_unready() -> None:
    nothing: Any = None
    process: Any = SimpleNamespace(lifecycle=Lifecycle())
    executor = RefusedMeanwhile(
        *(process, nothing, nothing, nothing, 64, 3.0, nothing), wake=Waits()
    )

    executor.run_once()

    readiness = process.lifecycle.readiness
    assert readiness.snapshot() == {"stripe_circuit": False}
    assert readiness.reasons() == {
        "stripe_circuit": "Stripe refuses our credentials: api_key_expired"
    }


def test_a_worker_that_reaches_nobody_sends_one_at_a_time_and_stays_ready() -> None:
    nothing: Any = None
    process: Any = SimpleNamespace(lifecycle=Lifecycle())
    executor = NothingDue(*(process, nothing, nothing, nothing, 64, 3.0, nothing), wake=Waits())

    executor._update_circuit(o.Retry("gateway unreachable", unreached=True))
    is_open = executor.circuit.is_open
    ready = process.lifecycle.readiness.snapshot()
    executor._update_circuit(o.Unknown("no answer"))

    assert (is_open, ready) == (True, {"stripe_circuit": True})
    assert not executor.circuit.is_open


def test_a_worker_with_nothing_to_probe_with_is_ready_again() -> None:
    nothing: Any = None
    process: Any = SimpleNamespace(lifecycle=Lifecycle())
    executor = NothingDue(
        *(process, nothing, nothing, nothing, 64, 3.0, nothing),
        wake=Waits(),
        circuit=Circuit(open_until=0.0, openings=1),
    )

    executor.run_once()

    assert process.lifecycle.readiness.snapshot() == {"stripe_circuit": True}


class Sent:
    """Attempts that note what they were asked to send."""

    def __init__(self) -> None:
        self.charges: list[object] = []

    def charge(self, claim: object) -> o.Outcome:
        self.charges.append(claim)
        return o.Settled(PaymentIntentId("pi_1"))


def test_an_attempt_held_up_past_its_lease_is_not_sent() -> None:
    nothing: Any = None
    sent: Any = Sent()
    process: Any = Process("payments-worker", *(nothing,) * 7)
    executor = Executor(process, nothing, sent, nothing, 64, 3.0, nothing)
    claim = PaymentClaim(ROW, UUID(int=2))

    executor._attempt(claim, send_before=time.monotonic() - 1)

    assert sent.charges == []


def test_a_key_in_use_elsewhere_may_execute_so_a_cancellation_asks_stripe_first() -> None:
    charging = Payment(S.CHARGING, unfinished_attempts=1)
    waiting = step(charging, Answered(o.Retry("idempotency_key_in_use", may_run=True)))
    assert isinstance(waiting, Step)

    cancelled = step(waiting.payment, OrderCancelled())

    assert (waiting.payment.state, waiting.payment.key.maybe_executed) == (S.PENDING, True)
    assert isinstance(cancelled, Step)
    assert (cancelled.payment.state, cancelled.payment.key.needs_reconcile) == (S.UNKNOWN, True)


def test_a_parked_payment_that_may_have_been_executed_is_reconciled() -> None:
    charging = Payment(S.CHARGING, key=KeyHistory(maybe_executed=True), unfinished_attempts=1)

    parked = step(charging, Answered(o.Parked("idempotency_error")))

    assert isinstance(parked, Step)
    assert (parked.payment.state, parked.payment.key.needs_reconcile) == (S.PARKED, True)


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (smtplib.SMTPRecipientsRefused({"a@b": (550, b"no such user")}), True),
        (smtplib.SMTPRecipientsRefused({"a@b": (450, b"later")}), False),
        (smtplib.SMTPDataError(554, b"spam"), True),
        (smtplib.SMTPServerDisconnected("gone"), False),
        (ConnectionRefusedError(), False),
    ],
)
def test_only_a_5xx_about_the_message_refuses_it_for_good(error: Exception, final: bool) -> None:
    assert mail._is_final(error) is final


ROW = PaymentRow(
    event_id=EventId(UUID(int=1)),
    order_id=OrderId("ord_1"),
    tenant_id=TenantId("acme"),
    money=Money(4999, "usd"),
    payment_method=None,
    payment=Payment(S.UNKNOWN, key=KeyHistory(maybe_executed=True, needs_reconcile=True)),
    started_attempts=2,
    lease_token=None,
    key_age_seconds=300.0,
    attempt_age_seconds=200.0,
    age_seconds=310.0,
    read_at=datetime(2026, 3, 1, tzinfo=UTC),
    quiet_seconds=190.0,
)


def test_the_list_that_is_asked_for_has_an_end() -> None:
    assert creation_window(ROW, 1_000_000.0, 15.0) == {
        "created_gte": 1_000_000 - 310 - 120,
        "created_lte": 1_000_000 - 200 + 15 + 120,
    }


def listed(name: str, status: str, cents: int = 4999) -> FoundIntent:
    return FoundIntent(PaymentIntentId(name), status, None, Money(cents, "usd"), cents)


def test_a_success_is_picked_before_a_failure_and_another_amount_never() -> None:
    found = [
        listed("pi_other", "succeeded", 1),
        listed("pi_failed", "requires_payment_method"),
        listed("pi_paid", "succeeded"),
    ]

    news = news_of(found, ROW.money)

    assert news == SeenSucceeded(PaymentIntentId("pi_paid"))


@pytest.mark.parametrize("status", ["succeeded", "processing", "requires_payment_method"])
def test_other_money_under_our_name_is_no_proof_that_there_is_none(status: str) -> None:
    """A person has to look: it may be a copy, and it may be the customer's money."""
    found = [listed("pi_ended", "canceled", 1), listed("pi_other", status, 1)]

    assert news_of(found, ROW.money) == SeenOtherMoney("amount_mismatch")


def test_what_has_ended_without_money_and_what_is_not_there_are_absent() -> None:
    assert news_of([listed("pi_ended", "canceled", 1)], ROW.money) is None
    assert news_of([], ROW.money) is None
