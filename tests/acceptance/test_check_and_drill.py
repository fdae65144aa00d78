"""A whole environment is brought up, judged green, then broken in ways that must not stay green.

Everything goes through the command line, as an operator would. The environment has a folder of its
own and is purged at the end.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookpayctl.checks import CHECKS
from bookpayctl.runs import directory
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets import environment as environments
from tests.support.command_line import CommandLine, environment_that_is_up, verdicts
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with environment_that_is_up(tmp_path_factory.mktemp("acceptance")) as found:
        yield found


def test_an_audit_of_a_shop_that_sold_nothing_is_vacuous(shop: CommandLine) -> None:
    document = shop.ask("audit", "--age", "1s")

    assert document["exit"]["code"] == 5
    assert document["verdict"] == "vacuous"


def test_an_order_is_placed_and_paid_and_its_story_has_all_three_ledgers(shop: CommandLine) -> None:
    placed = shop.ask("order", "place", "--wait", "paid")

    trace = shop.ask("order", "trace", placed["order"]["id"])

    told = {(moment["ledger"], moment["what"].split(" ")[0]) for moment in trace["moments"]}
    assert {("postgres", "outbox"), ("kafka", "record"), ("stripe", "POST")} <= told
    assert trace["missing"] == []
    assert trace["event_id"] == placed["order"]["event_id"]


def test_waiting_for_a_declined_order_to_be_paid_ends_at_once_and_not_green(
    shop: CommandLine,
) -> None:
    document = shop.ask(
        *("order", "place", "--payment-method", "pm_card_visa_chargeDeclined"),
        *("--wait", "paid", "--timeout", "60s"),
    )

    assert document["exit"] == {"code": 1, "reason": "is_cancelled"}


def test_every_check_holds_with_evidence(shop: CommandLine) -> None:
    document = shop.ask("check")

    assert verdicts(document) == {check.id: "holds" for check in CHECKS}
    assert document["exit"]["code"] == 0
    assert all(item["examined"] > 0 and item["evidence"] for item in document["items"])


def test_what_waits_for_a_person_is_a_warning_that_counts_when_one_is_strict(
    shop: CommandLine,
) -> None:
    shop.execute("INSERT INTO dead_letters (source, reason) VALUES ('test', 'malformed')")
    try:
        document = shop.ask("check", "--only", "BP-O004")
        strict = shop.ask("check", "--only", "BP-O004", "--strict")
    finally:
        shop.execute("DELETE FROM dead_letters WHERE source = 'test'")

    assert verdicts(document) == {"BP-O004": "warning"}
    assert document["items"][0]["observed"] == "1 dead letters"
    assert document["items"][0]["fix"] == "bookpayctl dlq list"
    assert document["exit"]["code"] == 0
    assert strict["exit"]["code"] == 4


def test_a_consumer_that_stands_still_is_a_warning(shop: CommandLine) -> None:
    workers = [
        process
        for process in shop.ask("status")["processes"]
        if process["service"] == "payments-worker"
    ]
    for worker in workers:
        os.kill(worker["pid"], signal.SIGSTOP)
    try:
        shop.ask("order", "place")
        standing = eventually(
            lambda: next(
                (
                    item
                    for item in shop.ask("check", "--only", "BP-O002", "--timeout", "1s")["items"]
                    if item["verdict"] == "warning"
                ),
                None,
            ),
            "the order's record waits for a worker",
        )
    finally:
        for worker in workers:
            os.kill(worker["pid"], signal.SIGCONT)

    assert "payments-worker is" in standing["observed"]
    assert verdicts(shop.ask("check", "--only", "BP-O002")) == {"BP-O002": "holds"}


def test_a_slot_that_nobody_reads_is_seen_by_a_run_of_one_category(
    shop: CommandLine,
) -> None:
    shop.execute("SELECT pg_create_physical_replication_slot('forgotten', true)")
    try:
        document = shop.ask("check", "--category", "operations")
    finally:
        shop.execute("SELECT pg_drop_replication_slot('forgotten')")

    assert {name[:4] for name in verdicts(document)} == {"BP-O"}
    wal = next(item for item in document["items"] if item["id"] == "BP-O006")
    assert any(line.startswith("slot forgotten: reserved") for line in wal["evidence"])


def test_a_migration_that_is_not_recorded_is_a_violation_that_is_waited_for(
    shop: CommandLine,
) -> None:
    shop.execute(
        "CREATE TABLE put_aside AS SELECT * FROM schema_migrations WHERE number = 9;"
        "DELETE FROM schema_migrations WHERE number = 9"
    )
    try:
        document = shop.ask("check", "--only", "BP-O010", "--wait", "1s")
    finally:
        shop.execute("INSERT INTO schema_migrations SELECT * FROM put_aside; DROP TABLE put_aside")

    assert document["exit"]["code"] == 1
    assert document["items"][0]["observed"].startswith(
        "0009_what_is_over_costs_nothing is not applied"
    )
    assert len(document["attempts"]) > 1
    assert verdicts(shop.ask("check", "--only", "BP-O010")) == {"BP-O010": "holds"}


def test_two_webhook_secrets_that_stay_are_a_warning_that_can_be_suppressed(
    shop: CommandLine, tmp_path: Path
) -> None:
    secret = shop.root / "secrets" / "stripe-webhook-secret"
    text, times = secret.read_text(), secret.stat()
    config = tmp_path / "settings.toml"
    config.write_text(
        '[[check.suppress]]\nid = "BP-O011"\nreason = "it is rolled"\nuntil = "9999-12-31"\n'
    )
    knowing = CommandLine(shop.home, {"BOOKPAY_CONFIG": str(config)})
    words = ("check", "--only", "BP-O011", "--only", "BP-O008", "--strict")
    secret.write_text(f"{text.strip()}\nwhsec_of_before\n")
    os.utime(secret, (times.st_atime, times.st_mtime - 2 * 86_400))
    try:
        document = shop.ask(*words)
        suppressed = knowing.ask(*words)
    finally:
        secret.write_text(text)

    assert document["exit"]["code"] == 4
    assert document["items"][1]["observed"] == "2 secrets are accepted, unchanged for 2 d"
    assert suppressed["exit"]["code"] == 0
    assert verdicts(suppressed) == {"BP-O008": "holds", "BP-O011": "warning"}
    assert suppressed["items"][1]["suppressed"] == "until 9999-12-31: it is rolled"


def test_a_missing_partial_index_is_a_violation(shop: CommandLine) -> None:
    shop.execute("DROP INDEX outbox_unpublished_idx")
    try:
        document = shop.ask("check", "--only", "BP-C001")
    finally:
        shop.execute(
            "CREATE INDEX outbox_unpublished_idx ON outbox (created_at) WHERE published_at IS NULL"
        )

    assert document["exit"]["code"] == 1
    assert "no index outbox_unpublished_idx" in document["items"][0]["observed"]


def test_a_control_that_is_not_accepted_is_a_violation(shop: CommandLine, tmp_path: Path) -> None:
    # The tool signs with a secret that the receiver does not have.
    other = CommandLine(tmp_path)
    root = other.root
    document = json.loads((shop.root / environments.ENVIRONMENT_FILE).read_text())
    (root / "secrets").mkdir(parents=True)
    (root / environments.ENVIRONMENT_FILE).write_text(json.dumps({**document, "root": str(root)}))
    for secret in (shop.root / "secrets").iterdir():
        (root / "secrets" / secret.name).write_text(secret.read_text())
    (root / "secrets" / "stripe-webhook-secret").write_text("whsec_of_somebody_else")

    answer = other.ask("check", "--only", "BP-C004")

    assert answer["exit"]["code"] == 1
    assert "control: answered 400" in answer["items"][0]["observed"]


def test_a_crash_in_the_middle_of_a_charge_charges_once(shop: CommandLine) -> None:
    document = shop.ask("drill", "crash-mid-charge", "--duration", "4s")

    found = verdicts(document)
    assert [item for item in document["items"] if item["verdict"] == "violated"] == []
    assert document["exit"]["code"] == 0
    assert {name: verdict for name, verdict in found.items() if "/" in name} == {
        f"crash-mid-charge/{name}": "holds"
        for name in (
            *("steady-state", "failpoint-hit", "process-restarted"),
            *("same-key", "charged-once", "order-paid", "never-failed"),
            *("orders-placed", "undone", "at-rest"),
        )
    }
    assert found["I01"] == "holds"
    assert found["I10"] == "holds"


def test_a_drill_without_orders_is_vacuous(shop: CommandLine) -> None:
    document = shop.ask("drill", "crash-mid-charge", "--rate", "0.1", "--duration", "1s")

    assert document["exit"]["code"] == 5


def test_a_drill_whose_point_is_never_reached_is_unknown(shop: CommandLine) -> None:
    shop.execute(
        "CREATE FUNCTION no_arming() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.match_order_id := 'nobody'; RETURN NEW; END $$;"
        "CREATE TRIGGER no_arming BEFORE INSERT ON failpoints"
        " FOR EACH ROW EXECUTE FUNCTION no_arming()"
    )
    try:
        document = shop.ask("drill", "crash-mid-charge", "--duration", "2s", "--timeout", "6s")
    finally:
        shop.execute("DROP TRIGGER no_arming ON failpoints; DROP FUNCTION no_arming()")

    assert document["exit"]["code"] == 3
    assert verdicts(document)["crash-mid-charge/failpoint-hit"] == "unknown"


def test_a_drill_that_is_interrupted_undoes_everything(shop: CommandLine) -> None:
    drill = shop.begin("drill", "crash-mid-charge", "--duration", "60s", "-o", "json")
    wait_for_promise(shop)
    drill.send_signal(signal.SIGINT)
    stdout, _ = drill.communicate(timeout=180)

    document = json.loads(stdout)
    assert drill.returncode == 130
    assert document["exit"]["code"] == 130
    assert document["verdict"] == "unknown"
    assert directory.unrecovered(shop.runs_dir) == []


def test_after_a_killed_drill_nothing_is_judged_until_it_is_recovered(shop: CommandLine) -> None:
    drill = shop.begin("drill", "crash-mid-charge", "--duration", "60s")
    wait_for_promise(shop)
    drill.kill()
    drill.communicate(timeout=180)

    refused = [shop.ask(*command)["exit"]["code"] for command in (("check",), ("audit",))]
    refused.append(shop.ask("drill", "crash-mid-charge")["exit"]["code"])
    recovered = shop.ask("recover")
    again = shop.ask("recover")

    assert refused == [6, 6, 6]
    assert {entry["result"] for entry in recovered["entries"]} == {"undone"}
    assert again["exit"] == {"code": 0, "reason": "nothing_to_recover"}


def test_a_replay_of_fewer_records_than_there_are_partitions_comes_to_its_end(
    shop: CommandLine,
) -> None:
    document = shop.ask("replay", "--max-records", "1", "--timeout", "60s")

    assert document["exit"]["code"] == 0
    assert document["items"][0]["observed"].startswith("1 records reprocessed")


@pytest.mark.parametrize(("mode", "decisive"), [("verify", "R03"), ("shadow", "S01")])
def test_a_replay_that_reads_finds_log_and_ledger_agree(
    mode: str, decisive: str, shop: CommandLine
) -> None:
    planned = shop.ask("replay", "--mode", mode, "--dry-run")

    document = shop.ask("replay", "--mode", mode)

    examined = {item["id"]: item["examined"] for item in document["items"]}
    assert document["exit"]["code"] == 0, document["items"]
    assert 0 < examined[decisive] <= planned["records"]
    kept = {path.name for path in (Path(document["run_dir"]) / "replay").iterdir()}
    assert {"records.parquet", "events.parquet", "orders.parquet", "position.json"} <= kept


def test_rows_of_the_outbox_that_go_out_again_charge_nobody(shop: CommandLine) -> None:
    rows = ("--source", "outbox", "--type", "OrderPlaced", "--type", "PaymentCompleted")

    planned = shop.ask("replay", *rows, "--dry-run")
    document = shop.ask("replay", *rows, "--timeout", "60s")

    assert document["exit"]["code"] == 0, document["items"]
    assert document["context"]["records"] == f"{planned['rows']} of {planned['rows']} chosen rows"
    assert verdicts(document) == {
        "replay/sent": "holds",
        "replay/consumed": "holds",
        "replay/nobody-charged": "holds",
    }


def test_a_load_keeps_a_history_that_the_audit_agrees_with(shop: CommandLine) -> None:
    load = shop.ask("load", "--rate", "10", "--duration", "3s", "--mix", "ok=4,declined=1")

    audit = shop.ask("audit", "--age", "1s", "--history", load["history"])

    found = verdicts(audit)
    assert load["ok"] > 0
    assert load["latency_ms"]["order_to_paid"]["p50"] is not None
    assert found["I01"] == "holds"
    assert found["I02"] == "holds"
    assert [item for item in audit["items"] if item["verdict"] == "violated"] == []
    assert audit["exit"]["code"] == 0


def test_an_order_nobody_paid_for_is_found(shop: CommandLine) -> None:
    shop.execute(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, status, created_at)"
        " VALUES ('ord_forged', 'acme-books', 100, 'usd', 'paid', now() - interval '1 minute')"
    )
    try:
        document = shop.ask("audit", "--age", "1s")
    finally:
        shop.execute("DELETE FROM orders WHERE id = 'ord_forged'")

    found = verdicts(document)
    assert document["exit"]["code"] == 1
    assert found["I04"] == "violated"
    assert found["I11"] == "violated"


# Behind everything else: what is put into the topics stays there.


@pytest.mark.parametrize("point", ["bad-json", "too-large"])
def test_poison_is_set_aside_and_costs_no_order(point: str, shop: CommandLine) -> None:
    document = shop.ask("drill", "poison-message", "--at", point, "--duration", "4s")

    found = verdicts(document)
    assert document["exit"]["code"] == 0, document["items"]
    for name in ("poison-in-log", "partition-moves-on", "dead-letter-first", "at-rest"):
        assert found[f"poison-message/{name}"] == "holds"
    assert (found["I07"], found["I27"], found["I28"]) == ("holds", "holds", "holds")


def test_poison_that_is_dropped_instead_of_set_aside_is_a_violation(shop: CommandLine) -> None:
    shop.execute(
        "CREATE FUNCTION no_letters() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NULL; END $$;"
        "CREATE TRIGGER no_letters BEFORE INSERT ON dead_letters"
        " FOR EACH ROW EXECUTE FUNCTION no_letters()"
    )
    try:
        document = shop.ask("drill", "poison-message", "--duration", "4s")
    finally:
        shop.execute("DROP TRIGGER no_letters ON dead_letters; DROP FUNCTION no_letters()")

    found = verdicts(document)
    assert document["exit"]["code"] == 1
    assert found["poison-message/partition-moves-on"] == "holds"
    assert found["poison-message/dead-letter-first"] == "violated"
    assert found["I28"] == "violated"


def wait_for_promise(shop: CommandLine) -> None:
    """Wait until a running drill has written down what it will have to undo."""
    waited = wait_until(lambda: directory.unrecovered(shop.runs_dir), bool, deadline_seconds=60)
    assert waited.reached
