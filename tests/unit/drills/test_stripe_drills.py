"""Drills that hit Stripe: their faults strike, and what they ask of histories is asked rightly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.drills import (
    expired_idempotency_key,
    forged_webhooks,
    refund_answers_lost,
    webhooks_lost,
    webhooks_out_of_order,
)
from bookpayctl.drills.observing.heard_webhooks import overtaken, regress
from bookpayctl.drills.observing.real_webhooks import Slowdown, refused, slowdown
from bookpayctl.drills.observing.spell import SPELL_SECONDS
from bookpayctl.drills.observing.spoilt_charges import Spoilt
from bookpayctl.drills.observing.struck_charges import ChargePost, StruckCharge
from bookpayctl.drills.stripe_answers_lost import WAYS as LOST
from bookpayctl.drills.stripe_answers_of_others import WAYS as OF_OTHERS
from bookpayctl.drills.stripe_errors import WAYS as ERRORS
from bookpayctl.faults.process import TimeAway
from bookpayctl.stripe_twin.faults.rule import parse_rule
from runtime.domain.retry import KEY_AGE_SECONDS_MAX, PAYMENT_BACKOFF, TRANSIENT_FAILURES_MAX
from tests.support.environments import environment_away

WAYS = {**ERRORS, **LOST, **OF_OTHERS}
DEFINITIONS = [
    *(way.definition for way in WAYS.values()),
    *refund_answers_lost.DEFINITIONS.values(),
    *(webhooks_lost.LOST, webhooks_lost.DROPPED, expired_idempotency_key.MUTE),
    *webhooks_out_of_order.delays("shuffled"),
    *webhooks_out_of_order.delays("refund-first"),
]

PAID = StruckCharge(
    "e-1", "ord-1", "paid", ("pending", "charging", "unknown", "succeeded"), ("pending", "paid"),
    outcomes=1, charges=1, posts=(ChargePost("e-1", 500), ChargePost("e-1", 500)),
)  # fmt: skip


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda found: found["action"])
def test_every_fault_is_one_that_the_twin_knows(definition: dict[str, Any]) -> None:
    assert parse_rule(definition).action == definition["action"]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_fault_strikes_within_the_first_twenty_requests(way: Spoilt) -> None:
    rule = parse_rule(way.definition)

    assert any(rule.strikes(draw) for draw in range(20))


def test_no_spell_lasts_until_refusals_wait_for_a_person() -> None:
    half_of_each = sum(
        PAYMENT_BACKOFF.first_seconds * PAYMENT_BACKOFF.factor**n / 2
        for n in range(TRANSIENT_FAILURES_MAX - 1)
    )

    assert half_of_each > SPELL_SECONDS


@pytest.mark.parametrize(
    ("one", "problem"),
    [
        (PAID, ""),
        (replace(PAID, payment_steps=("charging", "failed", "refunding")), "failed"),
        (replace(PAID, payment_steps=("charging", "parked", "succeeded")), "parked"),
        (replace(PAID, order_steps=("pending", "cancelled")), "cancelled"),
        (replace(PAID, outcomes=2), "2 outcomes"),
    ],
)
def test_what_healed_is_wrong_all_the_same(one: StruckCharge, problem: str) -> None:
    assert one.problem == problem


def test_a_request_under_another_key_or_none_is_named() -> None:
    assert PAID.foreign_keys == ()
    assert replace(PAID, posts=(ChargePost("e-1", 500), ChargePost(None, 200))).foreign_keys == (
        None,
    )
    assert replace(PAID, posts=(ChargePost("e-2", 200),)).foreign_keys == ("e-2",)


@pytest.mark.parametrize(
    ("status", "charges", "closed"),
    [("paid", 1, True), ("refunded", 1, True), ("cancelled", 0, True), ("cancelled", 1, False),
     ("pending", 0, False), ("missing", 0, False)],
)  # fmt: skip
def test_a_cancelled_order_is_closed_when_nothing_is_owed(
    status: str, charges: int, closed: bool
) -> None:
    assert replace(PAID, order_status=status, charges=charges).is_closed is closed


@pytest.mark.parametrize(
    ("steps", "back"),
    [
        (("pending", "charging", "unknown", "charging", "succeeded"), ""),
        (("succeeded", "succeeded", "refunding", "refunded"), ""),
        (("failed", "failed", "refunding"), ""),
        (("succeeded", "processing"), "succeeded > processing"),
        (("succeeded", "failed"), "succeeded > failed"),
        (("failed", "succeeded"), "failed > succeeded"),
        (("refunded", "refunding"), "refunded > refunding"),
        (("succeeded", "pending", "succeeded"), "succeeded > pending"),
    ],
)
def test_a_step_back_from_an_end_is_found(steps: tuple[str, ...], back: str) -> None:
    assert regress(steps) == back


def test_an_event_is_overtaken_by_a_later_one_of_its_own_payment_alone() -> None:
    payments = {"created": "pi_1", "succeeded": "pi_1", "other": "pi_2"}

    assert overtaken(payments, ["created", "succeeded", "other"]) == 0
    assert overtaken(payments, ["other", "created", "succeeded"]) == 0
    assert overtaken(payments, ["succeeded", "other", "created"]) == 1
    assert overtaken(payments, ["created", "succeeded", "created"]) == 0, "a copy is no news"
    assert overtaken(payments, ["before the drill", "created"]) == 0


def attempt(wall_at: float, seconds: float, status: int | None = 200) -> dict[str, object]:
    return {"wall_at": wall_at, "seconds": seconds, "status": status}


def test_a_webhook_that_was_not_received_is_named_and_one_outside_the_window_is_not() -> None:
    rows = [attempt(1, 0.1, 503), attempt(11, 0.1), attempt(12, 0.1, None), attempt(13, 0.1, 400)]

    assert refused(rows, TimeAway(10, 20)) == rows[2:]


@pytest.mark.parametrize(
    ("before", "meanwhile", "fine"),
    [(0.4, 0.7, True), (0.1, 0.7, False), (None, 0.7, False), (None, 0.1, True), (0.01, 0.1, True)],
)
def test_webhooks_are_slowed_down_beyond_twice_and_beyond_half_a_second(
    before: float | None, meanwhile: float, fine: bool
) -> None:
    assert Slowdown(before, meanwhile).is_fine is fine


def test_too_few_webhooks_before_are_no_baseline() -> None:
    rows = [attempt(n, 0.1) for n in range(9)] + [attempt(15, 0.3)]

    assert slowdown(rows, TimeAway(10, 20)) == Slowdown(None, 0.3)
    assert slowdown([attempt(0, 0.2), *rows], TimeAway(10, 20)) == Slowdown(0.2, 0.3)


def test_every_forgery_of_the_drill_is_one_that_must_be_refused(tmp_path: Path) -> None:
    environment = environment_away(tmp_path)
    environment.secrets_dir.mkdir()
    (environment.secrets_dir / "stripe-webhook-secret").write_text("whsec_of_the_test\n")

    names = [name for name, _ in forged_webhooks.forgeries(environment)]

    cases = {name.partition(" ")[0] for name in names}
    assert {"W01", "W05", "W11", "W23", "W29", "W32"} <= cases
    assert not {"W12", "W13", "W15", "W18", "W22", "W31", "W38", "W40", "W41", "W43"} & cases


def test_the_day_that_passes_is_longer_than_any_key_lives() -> None:
    assert max(24 * 3600, KEY_AGE_SECONDS_MAX) < expired_idempotency_key.DAY_SECONDS
