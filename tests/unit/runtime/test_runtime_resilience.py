"""Amounts, back-off, the circuit and an order's states: the small pure parts."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.circuit import Circuit
from runtime.domain.money import Money, MoneyError
from runtime.domain.names import OrderStatus
from runtime.domain.order import OrderEvent, OrderStep, Stock, next_order_step
from runtime.domain.retry import (
    CONNECTION_BACKOFF,
    KEY_AGE_SECONDS_MAX,
    PAYMENT_BACKOFF,
    TRANSIENT_FAILURES_MAX,
    UNKNOWN_BACKOFF,
    Backoff,
)

BACKOFFS = [PAYMENT_BACKOFF, UNKNOWN_BACKOFF, CONNECTION_BACKOFF]


@pytest.mark.parametrize("amount", [0, -1, 1.5, True, "500", None, 100_000_000, 2**63])
def test_an_amount_is_a_positive_integer_stripe_can_charge(amount: Any) -> None:
    with pytest.raises(MoneyError):
        Money(amount, "usd")


@pytest.mark.parametrize("currency", ["USD", "usd ", "us", "usdx", "uśd", "u1d", ""])
def test_a_currency_is_three_lower_case_letters(currency: str) -> None:
    with pytest.raises(MoneyError):
        Money(100, currency)


@pytest.mark.parametrize("amount", [1, 99_999_999])
def test_the_smallest_and_the_largest_charge_are_money(amount: int) -> None:
    assert Money(amount, "usd").amount_cents == amount


# --- back-off -------------------------------------------------------------------------------


@given(st.sampled_from(BACKOFFS), st.integers(-5, 10_000), st.integers(), st.integers(1, 10_000))
def test_a_wait_lies_between_half_and_all_of_its_bound(
    backoff: Backoff, failures: int, seed: int, more: int
) -> None:
    wait = backoff.delay_seconds(failures, random.Random(seed))

    assert backoff.first_seconds / 2 <= wait <= backoff.seconds_max


@pytest.mark.parametrize("backoff", BACKOFFS)
def test_waits_grow_by_their_factor_until_the_bound(backoff: Backoff) -> None:
    whole = [min(backoff.first_seconds * backoff.factor**n, backoff.seconds_max) for n in range(12)]

    waits = [backoff.delay_seconds(n + 1, random.Random(n)) for n in range(12)]

    assert all(full / 2 <= wait <= full for wait, full in zip(waits, whole, strict=True))
    assert whole[-1] == backoff.seconds_max


def test_waits_of_what_failed_together_differ() -> None:
    rng = random.Random(1)

    assert len({PAYMENT_BACKOFF.delay_seconds(3, rng) for _ in range(50)}) == 50


def test_eight_refusals_are_met_with_minutes_of_patience() -> None:
    least = sum(0.5 * min(0.5 * 3**n, 900.0) for n in range(TRANSIENT_FAILURES_MAX - 1))

    assert least > 240


def test_a_key_is_given_up_an_hour_before_stripe_may_prune_it() -> None:
    assert KEY_AGE_SECONDS_MAX == 23 * 3600


# --- the circuit ----------------------------------------------------------------------------


def test_a_closed_circuit_lets_everything_through() -> None:
    assert Circuit().allowance(0.0, 64) == 64


def test_the_first_refusal_of_our_credentials_opens_it() -> None:
    circuit = Circuit().halted(100.0, "api_key_expired")

    assert circuit.is_open
    assert circuit.allowance(101.9, 64) == 0
    assert circuit.allowance(102.0, 64) == 1


def test_only_one_payment_probes() -> None:
    circuit = Circuit().halted(100.0, "api_key_expired").probe_sent()

    assert circuit.allowance(103.0, 64) == 0


def test_a_refused_probe_doubles_the_pause_up_to_a_minute() -> None:
    circuit, now, pauses = Circuit(), 0.0, []
    for _ in range(8):
        circuit = circuit.probe_sent().halted(now, "api_key_expired")
        assert circuit.open_until is not None
        pauses.append(circuit.open_until - now)
        now = circuit.open_until

    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_refusals_that_were_under_way_do_not_lengthen_the_pause() -> None:
    circuit = Circuit().halted(100.0, "api_key_expired")

    assert circuit.halted(101.0, "api_key_expired") == circuit


def test_a_probe_without_an_answer_is_followed_by_another_soon() -> None:
    circuit = Circuit().halted(100.0, "api_key_expired").probe_sent().undecided(110.0)

    assert circuit.is_open
    assert (circuit.allowance(111.9, 64), circuit.allowance(112.0, 64)) == (0, 1)


def test_any_real_answer_closes_it() -> None:
    circuit = Circuit().halted(100.0, "api_key_expired").probe_sent().answered()

    assert (circuit.is_open, circuit.allowance(0.0, 64)) == (False, 64)


def test_an_unclear_answer_while_closed_changes_nothing() -> None:
    assert Circuit().undecided(1.0) == Circuit()
    assert Circuit().probe_sent() == Circuit()


def test_nobody_there_opens_it_for_a_moment_and_the_first_who_answers_closes_it() -> None:
    circuit = Circuit().unreached(100.0, "connection refused")

    assert (circuit.is_open, circuit.is_refused) == (True, False)
    assert (circuit.allowance(100.2, 64), circuit.allowance(100.25, 64)) == (0, 1)
    assert circuit.probe_sent().undecided(101.0) == Circuit()
    assert circuit.answered() == Circuit()


def test_however_long_nobody_is_there_a_probe_is_sent_every_few_seconds() -> None:
    circuit, now, pauses = Circuit(), 0.0, []
    for _ in range(2_000):
        circuit = circuit.probe_sent().unreached(now, "connection refused")
        assert circuit.open_until is not None
        pauses.append(circuit.open_until - now)
        now = circuit.open_until

    assert pauses[:6] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0]
    assert max(pauses) == 5.0


def test_what_was_under_way_when_somebody_went_away_does_not_lengthen_the_pause() -> None:
    circuit = Circuit().unreached(100.0, "connection refused")

    assert circuit.unreached(100.1, "connection refused") == circuit


def test_refused_credentials_are_the_graver_reason_and_wait_from_their_own_beginning() -> None:
    away = Circuit().unreached(100.0, "connection refused").unreached(100.1, "connection refused")

    refused = away.halted(101.0, "api_key_expired")

    assert (refused.is_refused, refused.open_until) == (True, 103.0)
    assert refused.unreached(102.0, "connection refused") == refused
    probed = refused.probe_sent().unreached(104.0, "connection refused")
    assert (probed.is_refused, probed.open_until) == (True, 106.0)


# --- orders ---------------------------------------------------------------------------------

ORDER_TABLE = {
    ("pending", OrderEvent.PAYMENT_COMPLETED): ("paid", Stock.SELL),
    ("pending", OrderEvent.PAYMENT_FAILED): ("cancelled", Stock.RELEASE),
    ("pending", OrderEvent.CUSTOMER_CANCELLED): ("cancelled", Stock.RELEASE),
    ("paid", OrderEvent.CUSTOMER_CANCELLED): ("cancelled", Stock.RELEASE),
    ("cancelled", OrderEvent.PAYMENT_REFUNDED): ("refunded", Stock.KEEP),
}


@pytest.mark.parametrize("status", list(OrderStatus))
@pytest.mark.parametrize("event", list(OrderEvent), ids=lambda event: event.name)
def test_an_order_follows_its_table_and_nothing_else_moves_it(
    status: OrderStatus, event: OrderEvent
) -> None:
    expected = ORDER_TABLE.get((status.value, event))

    step = next_order_step(status, event)

    assert step == (OrderStep(OrderStatus(expected[0]), expected[1]) if expected else None)
