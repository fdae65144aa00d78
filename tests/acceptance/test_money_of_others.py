"""What an operator is told when somebody else moved an order's money, by the commands alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from bookpayctl.runs.waiting import wait_until
from tests.support.command_line import CommandLine, environment_that_is_up, verdicts
from tests.support.http_client import http

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

PART = 500


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with environment_that_is_up(tmp_path_factory.mktemp("others")) as found:
        yield found


class Dashboard:
    """Stripe as a colleague with the account's key uses it."""

    def __init__(self, shop: CommandLine) -> None:
        exported = re.findall(r"^export (\w+)=(.*)$", shop.run("env").stdout, re.MULTILINE)
        variables = {name: "".join(shlex.split(value)) for name, value in exported}
        self.base, self.key = variables["STRIPE_API_BASE"], variables["STRIPE_API_KEY"]

    def ask(self, method: str, path: str, **parameters: object) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key}"}
        form = urlencode(parameters)
        if method == "GET":
            return dict(http.request("GET", f"{self.base}{path}?{form}", headers=headers).json)
        headers["Idempotency-Key"] = f"dashboard-{uuid4()}"
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = http.request("POST", self.base + path, body=form.encode(), headers=headers)
        assert answer.status == 200, answer.body
        return dict(answer.json)

    def held(self, intent: str) -> int:
        (charge,) = self.ask("GET", "/v1/charges", payment_intent=intent)["data"]
        return int(charge["amount"]) - int(charge["amount_refunded"])

    def lose_dispute(self, intent: str) -> None:
        (dispute,) = self.ask("GET", "/v1/disputes", payment_intent=intent)["data"]
        self.ask("POST", f"/v1/disputes/{dispute['id']}/close")


@pytest.fixture(scope="module")
def dashboard(shop: CommandLine) -> Dashboard:
    return Dashboard(shop)


def paid(shop: CommandLine, *arguments: str) -> tuple[str, str]:
    """A paid order and its PaymentIntent."""
    order = shop.ask("order", "place", "--wait", "paid", *arguments)["order"]
    return order["id"], order["payment"]["payment_intent_id"]


def moved(shop: CommandLine, what: str) -> int:
    listed = shop.ask("status")["moved_by_others"]
    return sum(row["count"] for row in listed if row["what"] == what)


def wait_moved(shop: CommandLine, what: str, count: int) -> None:
    waited = wait_until(
        lambda: moved(shop, what), lambda found: found == count, deadline_seconds=60
    )
    assert waited.value == count, f"{what} is {waited.value}"


def wait_status(shop: CommandLine, order_id: str, status: str) -> dict[str, Any]:
    waited = wait_until(
        lambda: shop.ask("order", "show", order_id)["order"],
        lambda order: order["status"] == status,
        deadline_seconds=60,
    )
    order: dict[str, Any] = waited.value
    assert order["status"] == status, order
    return order


def audited(shop: CommandLine) -> dict[str, Any]:
    """The audit once every order is old enough to be judged; it must not be red."""
    waited = wait_until(
        lambda: shop.ask("audit"),
        lambda document: document["exit"]["code"] != 5,
        deadline_seconds=60,
    )
    document: dict[str, Any] = waited.value
    assert document["exit"]["code"] == 0, document
    return document


def test_a_part_is_told_of_and_a_cancellation_gives_back_the_rest(
    shop: CommandLine, dashboard: Dashboard
) -> None:
    order_id, intent = paid(shop)
    dashboard.ask("POST", "/v1/refunds", payment_intent=intent, amount=PART)
    wait_moved(shop, "refunds", 1)
    shown = shop.run("order", "show", order_id)
    traced = shop.run("order", "trace", order_id)

    shop.ask("order", "cancel", order_id, "--wait", "refunded")

    assert "given back by others" in shown.stderr
    assert "moved by others" in traced.stdout
    assert dashboard.held(intent) == 0
    document = audited(shop)
    assert verdicts(document)["I24"] == "warning"
    (item,) = (item for item in document["items"] if item["id"] == "I24")
    assert item["evidence"][0].startswith(order_id)


def test_a_whole_refund_outside_ends_the_order_and_leaves_nothing_to_retry(
    shop: CommandLine, dashboard: Dashboard
) -> None:
    order_id, intent = paid(shop)
    dashboard.ask("POST", "/v1/refunds", payment_intent=intent)

    order = wait_status(shop, order_id, "refunded")
    refused = shop.ask("refund", "retry", order_id)

    assert order["cancel_reason"] == "refunded_outside"
    assert refused["exit"] == {"code": 6, "reason": "refused"}
    assert refused["requests"][0]["detail"].startswith("nothing is left to give back")
    audited(shop)


def test_a_dispute_is_told_by_status_and_audit_and_a_lost_one_ends_a_refunding(
    shop: CommandLine, dashboard: Dashboard
) -> None:
    order_id, intent = paid(shop, "--payment-method", "pm_card_createDispute")
    wait_moved(shop, "disputes open", 1)
    named = shop.run("audit").stdout
    shop.ask("order", "cancel", order_id)
    refused = shop.ask("refund", "retry", order_id)

    dashboard.lose_dispute(intent)

    wait_status(shop, order_id, "refunded")
    assert order_id in named
    assert refused["exit"]["code"] == 6
    assert moved(shop, "disputes lost") == 1
    assert dashboard.held(intent) > 0, "we sent nothing on top"
    audited(shop)
