"""`bookpayctl webhook` against a whole environment: forged, sent, quarantined."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookpayctl.runs.waiting import wait_until
from tests.support.command_line import CommandLine, environment_that_is_up, verdicts

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with environment_that_is_up(tmp_path_factory.mktemp("webhooks")) as found:
        yield found


def test_every_forgery_is_answered_as_required_and_the_audit_does_not_mind(
    shop: CommandLine,
) -> None:
    document = shop.ask("webhook", "forge", "--all")

    found = verdicts(document)
    assert found.pop("W43") == "skipped"
    assert found == {f"W{n:02}": "holds" for n in range(1, 45) if n != 43}
    assert document["exit"] == {"code": 0, "reason": "all_hold"}
    assert all(item["examined"] and item["evidence"] for item in document["items"][:42])
    assert shop.ask("order", "place", "--wait", "paid")["exit"]["code"] == 0
    # Until the order is a second old there is nothing to judge, which is no pass.
    audited = wait_until(
        lambda: shop.ask("audit", "--age", "1s")["exit"]["code"],
        lambda code: code != 5,
        deadline_seconds=60,
    )
    assert audited.value == 0


def test_junit_and_table_say_what_was_sent_expected_and_got(shop: CommandLine) -> None:
    junit = shop.run("webhook", "forge", "--case", "w07", "-o", "junit")
    table = shop.run("webhook", "forge", "--case", "W07", "-v")

    assert (junit.returncode, table.returncode) == (0, 0)
    assert 'tests="1"' in junit.stdout
    for text in (junit.stdout, table.stdout):
        assert "a plus" in text
        assert "invalid signature" in text
    assert shop.root.joinpath("secrets/stripe-webhook-secret").read_text().strip() not in (
        junit.stdout + table.stdout + junit.stderr + table.stderr
    )


def test_a_case_whose_control_is_not_received_is_unknown(shop: CommandLine) -> None:
    """The tool signs with another secret than the receiver's, then neither answers at all."""
    secret = shop.root / "secrets" / "stripe-webhook-secret"
    kept = secret.read_text()
    environment = shop.root / "environment.json"
    addresses = environment.read_text()
    try:
        # The receiver keeps both; the tool signs with the first, which it does not have.
        secret.write_text("")
        empty = shop.run("webhook", "forge", "--case", "W01", "-o", "json")
        secret.write_text(kept)
        moved = json.loads(addresses)
        moved["webhook_url"] = "http://127.0.0.1:1/stripe/webhook"
        environment.write_text(json.dumps(moved))
        away = shop.ask("webhook", "forge", "--case", "W01")
    finally:
        secret.write_text(kept)
        environment.write_text(addresses)

    assert json.loads(empty.stdout)["exit"]["code"] == 3
    assert empty.returncode == 3
    assert away["exit"]["code"] == 3
    assert verdicts(away) == {"W01": "unknown"}


@pytest.mark.parametrize("arguments", [(), ("--all", "--case", "W01"), ("--case", "W45")], ids=str)
def test_a_question_that_names_no_case_is_a_usage_error(
    shop: CommandLine, arguments: tuple[str, ...]
) -> None:
    assert shop.run("webhook", "forge", *arguments).returncode == 2


def test_a_webhook_that_is_sent_closes_the_payment_it_is_about(shop: CommandLine) -> None:
    waiting = shop.ask("order", "place", "--payment-method", "pm_twin_card_processing")
    order_id = waiting["order"]["id"]

    refused = shop.run("webhook", "send", "payment_intent.succeeded", "--order", "ord_nobody")
    paid = None
    for _ in range(200):
        sent = shop.run("webhook", "send", "payment_intent.succeeded", "--order", order_id)
        if sent.returncode == 0:
            paid = shop.ask("order", "show", order_id)["order"]
            if paid["status"] == "paid":
                break

    assert refused.returncode == 2
    assert paid is not None
    assert paid["status"] == "paid"


def test_a_lie_that_is_sent_is_listed_in_quarantine_with_its_reason(
    shop: CommandLine, tmp_path: Path
) -> None:
    paid = shop.ask("order", "place", "--wait", "paid")["order"]
    lie = shop.ask(
        *("webhook", "send", "payment_intent.succeeded", "--order", paid["id"]),
        *("--payment-intent", "pi_of_somebody_else"),
    )

    listed = shop.ask("webhook", "quarantine", "list")
    table = shop.run("webhook", "quarantine", "list", "--limit", "1")

    (row,) = [row for row in listed["quarantined"] if row["event_id"] == lie["event_id"]]
    assert lie["exit"] == {"code": 0, "reason": "received"}
    assert row["reason"] == "other_payment_intent"
    assert row["type"] == "payment_intent.succeeded"
    assert 0 <= row["age_seconds"] < 300
    assert row["headers"]["content-type"] == "application/json"
    assert "other_payment_intent" in table.stdout
    assert len(table.stdout.splitlines()) == 2


def test_what_was_sent_from_here_is_no_forgery_to_the_audit(shop: CommandLine) -> None:
    paid = shop.ask("order", "place", "--wait", "paid")["order"]
    lie = shop.ask(
        *("webhook", "send", "payment_intent.succeeded", "--order", paid["id"]),
        *("--payment-intent", "pi_of_nobody"),
    )

    audited = shop.ask("audit", "--age", "1s")

    forgeries = next(item for item in audited["items"] if item["id"] == "I20")
    assert lie["event_id"] not in str(forgeries)
    assert forgeries["verdict"] == "holds"
