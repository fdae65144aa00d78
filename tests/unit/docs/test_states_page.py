"""docs/states.md: pictures drawn from the machines must show what is known of the machines."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from bookpayctl.judge.ledgers.store import opened
from bookpayctl.judge.rules import derived_tables
from docs.generate import states
from runtime.domain.names import OrderStatus, PaymentState, RefundState


def arrows(part: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^    (\S+) --> ([a-z]+):", part, re.MULTILINE))


def test_an_order_has_exactly_these_steps() -> None:
    assert arrows(states.order()) == {
        ("[*]", "pending"),
        ("pending", "paid"),
        ("pending", "cancelled"),
        ("paid", "cancelled"),
        ("cancelled", "refunded"),
    }


def test_every_state_of_a_payment_can_be_reached() -> None:
    assert {target for _, target in arrows(states.payment())} == set(PaymentState)


def test_every_state_of_a_refund_can_be_reached() -> None:
    assert {target for _, target in arrows(states.refund())} == set(RefundState)


def test_every_status_of_an_order_can_be_reached() -> None:
    assert {target for _, target in arrows(states.order())} == set(OrderStatus)


@pytest.mark.parametrize(
    ("part", "kind"),
    [(states.payment, "payment"), (states.order, "order")],
)
def test_what_the_machine_can_do_is_allowed_by_the_judge(
    part: Callable[[], str], kind: str
) -> None:
    drawn = {("" if s == "[*]" else s, t) for s, t in arrows(part())}

    assert sorted(drawn - allowed_steps(kind)) == []


def allowed_steps(kind: str) -> set[tuple[str, str]]:
    """The judge's own relation; a row begins in ''."""
    (made,) = [text for text in derived_tables() if "CREATE TABLE allowed_steps" in text]
    with opened() as engine:
        engine.execute(made)
        steps = "SELECT from_state, to_state FROM allowed_steps WHERE kind = ?"
        return set(engine.execute(steps, [kind]).fetchall())


def test_a_charge_under_way_is_never_sent_twice_nor_given_back() -> None:
    drawn = arrows(states.payment())

    assert ("succeeded", "charging") not in drawn
    assert ("refunded", "refunding") not in drawn
    assert ("failed", "succeeded") not in drawn
