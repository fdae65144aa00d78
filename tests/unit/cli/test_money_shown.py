"""Amounts are shown in the minor units of their currency, by both programs and everywhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

import bookpayctl
import runtime
from bookpayctl.cli.commands import order
from bookpayctl.cli.output import OutputFormat
from bookpayctl.report import money as judge_money
from bookpayctl.report.exit_code import ExitCode
from runtime.domain import money as domain_money
from runtime.domain.event import ReceivedEvent
from runtime.domain.money import Money
from runtime.domain.names import EventId, OrderId, TenantId, Topic
from runtime.services.notifier.message import to_email

# By hand, from Stripe's page on currencies. ISK and UGX are counted in hundredths there.
SHOWN = {
    (4999, "usd"): "49.99 usd",
    (5, "eur"): "0.05 eur",
    (500, "jpy"): "500 jpy",
    (1000, "krw"): "1000 krw",
    (1001, "kwd"): "1.001 kwd",
    (50, "bhd"): "0.050 bhd",
    (12_340, "tnd"): "12.340 tnd",
    (1000, "jod"): "1.000 jod",
    (500, "isk"): "5.00 isk",
    (500, "ugx"): "5.00 ugx",
    (45_000, "huf"): "450.00 huf",
    (80_000, "twd"): "800.00 twd",
    (7, "mga"): "7 mga",
    (12, "xyz"): "12 minor units of xyz",
    (99_999_999, "usd"): "999999.99 usd",
}

PACKAGES = [Path(package.__file__ or "").parent for package in (bookpayctl, runtime)]

# What divides by a hundred and is no money: a share of parity, with its reason beside it.
NO_MONEY = {"bookpayctl/cli/commands/shadow.py"}


@pytest.mark.parametrize("amount", SHOWN)
def test_an_operator_reads_the_minor_units_of_the_currency(amount: tuple[int, str]) -> None:
    assert judge_money.shown_money(*amount) == SHOWN[amount]


@pytest.mark.parametrize("amount", SHOWN)
def test_a_customer_reads_the_same(amount: tuple[int, str]) -> None:
    number, _, currency = SHOWN[amount].rpartition(" ")

    assert domain_money.shown_money(Money(*amount)) == f"{number} {currency.upper()}"


def test_less_than_nothing_keeps_its_sign_and_its_digits() -> None:
    assert judge_money.shown_money(-5, "usd") == "-0.05 usd"
    assert judge_money.shown_money(-1500, "kwd") == "-1.500 kwd"
    assert judge_money.shown_money(0, "usd") == "0.00 usd"


def test_amounts_of_two_currencies_are_never_added() -> None:
    amounts = [(500, "jpy"), (999, "eur"), (1, "eur")]

    assert judge_money.shown_sums(amounts) == "10.00 eur + 500 jpy"
    assert judge_money.shown_sums([]) == "nothing"


def test_both_programs_know_the_same_currencies() -> None:
    assert len(judge_money._DIGITS) > 150
    assert judge_money._DIGITS == domain_money._DIGITS


@pytest.mark.parametrize(
    ("amount", "words"), [((500, "jpy"), "(500 JPY)"), ((1001, "kwd"), "(1.001 KWD)")]
)
def test_a_letter_names_the_sum_as_the_customer_knows_it(
    amount: tuple[int, str], words: str
) -> None:
    order_id, tenant_id, event_id = OrderId("ord_1"), TenantId("acme"), EventId(uuid4())
    event = ReceivedEvent(event_id, event_id, order_id, tenant_id, Money(*amount), {})

    letter = to_email(Topic.ORDERS_PAID, event, to_address="a@b.c", from_address="d@e.f")

    assert words in letter.text


@pytest.mark.parametrize(
    ("topic", "said", "words"),
    [
        (Topic.ORDERS_CANCELLED, {"reason": "refunded_outside"}, "The shop's staff"),
        (Topic.PAYMENTS_REFUNDED, {"by": "refunded_outside"}, "The shop's staff"),
        (Topic.PAYMENTS_REFUNDED, {"by": "dispute_lost"}, "Your bank"),
    ],
)
def test_a_letter_says_when_it_was_not_the_cancellation_that_moved_the_money(
    topic: Topic, said: dict[str, str], words: str
) -> None:
    order_id, tenant_id, event_id = OrderId("ord_1"), TenantId("acme"), EventId(uuid4())
    event = ReceivedEvent(event_id, event_id, order_id, tenant_id, Money(500, "jpy"), said)

    letter = to_email(topic, event, to_address="a@b.c", from_address="d@e.f")

    assert words in letter.text


def test_an_order_shows_yen_as_yen(capsys: pytest.CaptureFixture[str]) -> None:
    body = {"id": "ord_1", "status": "paid", "total_cents": 500, "currency": "jpy"}

    order._print_order(body, ExitCode.PASS, "found", OutputFormat.TABLE)

    assert re.search(r"^amount +500 jpy$", capsys.readouterr().out, re.MULTILINE)


def test_an_order_whose_amount_was_not_said_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    order._print_order({"id": "ord_1"}, ExitCode.PASS, "accepted", OutputFormat.TABLE)

    assert re.search(r"^amount +-$", capsys.readouterr().out, re.MULTILINE)


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Everything in both programs, but for the twin, which has its own words and its own tests."""
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            name = str(path.relative_to(package.parent))
            if not name.startswith("bookpayctl/stripe_twin/"):
                for node in ast.walk(ast.parse(path.read_text())):
                    yield name, node


def is_hundredth(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div | ast.FloorDiv)
        and isinstance(node.right, ast.Constant)
        and node.right.value == 100
    )


def test_nothing_is_divided_by_a_hundred_to_be_shown() -> None:
    found = {path for path, node in nodes() if is_hundredth(node)}

    assert found == NO_MONEY


def is_bare_amount(node: ast.AST) -> bool:
    """Whether a number of minor units is put into a text as it is."""
    if not isinstance(node, ast.FormattedValue):
        return False
    return bool(re.search(r"(_cents('\])?|\bnet)$", ast.unparse(node.value)))


def test_no_text_has_a_bare_number_of_minor_units() -> None:
    found = {path for path, node in nodes() if is_bare_amount(node)}

    # Where the minor units of an unknown currency are called by their name.
    assert found == {"runtime/domain/money.py"}
