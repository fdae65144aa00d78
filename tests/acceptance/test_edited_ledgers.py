"""A healthy shop is edited behind its back, ledger by ledger; nothing of it stays green."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from bookpayctl.targets import environment as environments
from tests.support.command_line import CommandLine, environment_that_is_up, verdicts

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with environment_that_is_up(tmp_path_factory.mktemp("edited")) as found:
        loaded = found.run(
            *("load", "--rate", "5", "--duration", "4s", "--mix", "ok=80,declined=20"),
            *("--settle", "60s"),
        )
        assert loaded.returncode == 0, loaded.stderr
        yield found


def audited(shop: CommandLine) -> dict[str, str]:
    return verdicts(shop.ask("audit", "--age", "1s", "--timeout", "6s"))


def kafka(shop: CommandLine) -> AdminClient:
    path = Path(shop.root) / environments.ENVIRONMENT_FILE
    servers = json.loads(path.read_text())["kafka_bootstrap_servers"]
    return AdminClient({"bootstrap.servers": servers, "log_level": 0})


def test_the_shop_is_well_before(shop: CommandLine) -> None:
    assert set(audited(shop).values()) <= {"holds", "vacuous", "skipped"}
    assert verdicts(shop.ask("check", "--only", "BP-C006")) == {"BP-C006": "holds"}


def test_dates_that_have_not_come_excuse_nothing(shop: CommandLine) -> None:
    shop.execute(
        "UPDATE orders SET created_at = 'infinity', total_cents = total_cents + 1 WHERE id ="
        " (SELECT id FROM orders WHERE status = 'paid' ORDER BY id LIMIT 1)"
    )
    shop.execute("UPDATE outbox SET created_at = 'infinity' WHERE event_type = 'PaymentRefunded'")

    found = audited(shop)

    assert found["I11"] == "violated"
    shop.execute(
        "UPDATE orders SET created_at = now() - interval '1 min', total_cents = total_cents - 1"
        " WHERE created_at = 'infinity'"
    )


def test_what_was_edited_or_deleted_behind_our_back_is_found(shop: CommandLine) -> None:
    shop.execute(
        "UPDATE outbox SET payload = jsonb_set(payload, '{amount_cents}', '1')"
        " WHERE event_type = 'PaymentCompleted'"
    )
    shop.execute("DELETE FROM stripe_calls")
    # As who took note of a letter and never sent it leaves them.
    shop.execute("UPDATE notifications SET sent_at = NULL")
    shop.execute("DELETE FROM webhook_parked")
    shop.execute("DELETE FROM stripe_events")

    found = audited(shop)

    edited = {"I32", "I33", "I34", "I36", "I37"}
    assert {item for item in edited if found[item] == "violated"} == edited


def test_records_and_topics_that_do_not_keep_their_promise_are_found(shop: CommandLine) -> None:
    admin = kafka(shop)
    ends = dict.fromkeys(range(3), -1)
    trimmed = [TopicPartition("orders.placed", partition, end) for partition, end in ends.items()]
    for future in admin.delete_records(trimmed).values():
        future.result()
    compacted = ConfigResource(
        ConfigResource.Type.TOPIC,
        "payments.completed",
        incremental_configs=[
            ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
        ],
    )
    admin.incremental_alter_configs([compacted])[compacted].result()

    document = shop.ask("check", "--only", "BP-C006", "--timeout", "20s")
    found = audited(shop)

    assert document["exit"]["code"] == 1
    observed = document["items"][0]["observed"]
    assert "settled orders are not in orders.placed, which keeps records for 7 days" in observed
    assert "payments.completed: cleanup.policy is compact" in observed
    assert (found["I06"], found["I31"]) == ("violated", "violated")
