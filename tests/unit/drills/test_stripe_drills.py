"""Drills that hit Stripe: their faults strike, and what they ask of histories is asked rightly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bookpayctl.drills import (
    refund_answers_lost,
    webhooks_lost,
    webhooks_out_of_order,
)
from bookpayctl.drills.observing.heard_webhooks import overtaken, regress
from bookpayctl.drills.observing.spoilt_charges import SPELL_SECONDS, Spoilt
from bookpayctl.drills.observing.struck_charges import ChargePost, StruckCharge
from bookpayctl.drills.stripe_answers_lost import WAYS as LOST
from bookpayctl.drills.stripe_answers_of_others import WAYS as OF_OTHERS
from bookpayctl.drills.stripe_errors import WAYS as ERRORS
from bookpayctl.stripe_twin.faults.rule import parse_rule
from runtime.domain.retry import PAYMENT_BACKOFF, TRANSIENT_FAILURES_MAX

WAYS = {**ERRORS, **LOST, **OF_OTHERS}
DEFINITIONS = [
    *(way.definition for way in WAYS.values()),
    *refund_answers_lost.DEFINITIONS.values(),
    *(webhooks_lost.LOST, webhooks_lost.DROPPED),
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
