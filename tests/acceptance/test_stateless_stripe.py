"""With a Stripe that remembers nothing, what cannot be known is unknown and nothing else is red."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.command_line import CommandLine, environment_that_is_up, verdicts
from tests.support.stateless_stripe import stateless_stripe

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with stateless_stripe() as address:
        extra = {
            "BOOKPAY_STRIPE_API_BASE": address,
            "STRIPE_API_KEY": "sk_test_123",
            "STRIPE_WEBHOOK_SECRET": "whsec_test",
        }
        with environment_that_is_up(tmp_path_factory.mktemp("stateless"), extra) as found:
            yield found


def test_the_checklist_is_answered_but_for_what_only_stripe_knows(shop: CommandLine) -> None:
    document = shop.ask("check", "--category", "checklist", "--timeout", "30s")

    assert verdicts(document) == {
        "BP-C001": "holds",
        "BP-C002": "holds",
        "BP-C003": "unknown",
        "BP-C004": "holds",
        "BP-C005": "holds",
        "BP-C006": "unknown",
    }
    assert document["exit"]["code"] == 3
    saga = next(item for item in document["items"] if item["id"] == "BP-C005")
    assert "this Stripe keeps no ledger" in saga["observed"]


@pytest.mark.parametrize("drill", ["crash-mid-charge", "kill-storm", "outage"])
def test_a_drill_that_could_never_end_is_not_begun(shop: CommandLine, drill: str) -> None:
    placed = shop.ask("order", "list")["orders"]

    document = shop.ask("drill", "run", drill)

    assert document["exit"]["code"] == 3
    assert verdicts(document) == {f"{drill}/ran": "unknown"}
    assert "nobody closes its payments" in document["items"][0]["reason"]
    assert shop.ask("order", "list")["orders"] == placed


def test_with_a_recording_tap_the_keys_are_known_and_a_wrong_one_is_found(
    shop: CommandLine,
) -> None:
    """Last: from here on the environment has its tap."""
    assert shop.run("up", "--tap").returncode == 0

    document = shop.ask("check", "--timeout", "30s")

    found = verdicts(document)
    # Nothing is settled here until the window for webhooks ends: then there is nothing to count.
    assert found.pop("BP-C006") in ("vacuous", "holds")
    # The secret was brought: when it was made, nobody here knows.
    assert found.pop("BP-O011") == "skipped"
    assert set(found.values()) == {"holds"}
    keys = next(item for item in document["items"] if item["id"] == "BP-C003")
    assert "creations seen by the recording tap" in keys["observed"]
    audited = verdicts(shop.ask("audit", "--age", "1s", "--timeout", "10s"))
    assert (audited["I23"], audited["I24"]) == ("holds", "holds")
    journal = shop.root / "stripe-tap" / "journal.jsonl"
    assert "sk_test_123" not in journal.read_text()

    creation = '"method":"POST","path":"/v1/payment_intents",'
    first = next(line for line in journal.read_text().splitlines() if creation in line)
    with journal.open("a") as lines:
        lines.write(first.replace('"idempotency_key":"', '"idempotency_key":"not-ours-') + "\n")

    document = shop.ask("check", "--only", "BP-C003", "--timeout", "30s")

    assert verdicts(document) == {"BP-C003": "violated"}
    assert "1 keys that are no event_id: ['not-ours-" in document["items"][0]["observed"]
    assert verdicts(shop.ask("audit", "--age", "1s", "--timeout", "10s"))["I24"] == "violated"
