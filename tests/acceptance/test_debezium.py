"""Debezium in our publishers' place: a real worker, paid orders, and one killed under load.

The tests share one environment and run in their order. The first time ever on a machine, `up`
fetches the worker's jars.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bookpayctl.clients import kafka
from bookpayctl.clients.capture_slot import read_slot
from bookpayctl.clients.database import reading
from bookpayctl.clients.publisher_lock import log_slot
from bookpayctl.targets import environment
from bookpayctl.targets.environment import DEBEZIUM, Environment
from bookpayctl.targets.servers.connect import SECRETS_FILE
from runtime.domain.names import Topic
from tests.support.command_line import CommandLine, environment_that_is_up, verdicts
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

WORKER = "kafka-connect"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Debezium publishes, in the place of publishers that streamed the log."""
    folder = tmp_path_factory.mktemp("debezium")
    with environment_that_is_up(folder, {"BOOKPAY_PUBLISHER": "wal"}) as before:
        with reading(environment_of(before).dsn) as conn:
            eventually(lambda: streamed(conn), "the log is streamed")
        extra = {"BOOKPAY_PUBLISHER": DEBEZIUM, "BOOKPAY_UP_TIMEOUT": "5m"}
        found = CommandLine(before.home, extra)
        up = found.run("up")
        assert up.returncode == 0, up.stderr
        # Nobody reads that slot from now on, and PostgreSQL would keep its log for it.
        assert "is dropped: nobody streams the log any more" in up.stderr
        yield found


def streamed(conn: psycopg.Connection[Any]) -> bool:
    slot = log_slot(conn)
    conn.rollback()
    return slot is not None and slot.sender_pid is not None


def environment_of(shop: CommandLine) -> Environment:
    return environment.load_from(shop.root, shop.name)


def worker_of(shop: CommandLine) -> dict[str, Any]:
    processes = shop.ask("status")["processes"]
    found: dict[str, Any] = next(one for one in processes if one["name"] == WORKER)
    return found


def records_of(shop: CommandLine, *topics: Topic) -> list[kafka.LogRecord]:
    consumer = kafka.open_consumer(environment_of(shop).kafka)
    try:
        ranges = kafka.log_ranges(consumer, [topic.value for topic in topics])
        return list(kafka.records_between(consumer, ranges))
    finally:
        consumer.close()


def test_the_connector_publishes_and_no_publisher_of_ours_runs(shop: CommandLine) -> None:
    eventually(lambda: shop.ask("status")["exit"]["code"] == 0, "all is healthy")
    status = shop.ask("status")

    names = {process["name"] for process in status["processes"]}
    assert WORKER in names
    assert not any(name.startswith("outbox-publisher") for name in names)
    assert status["publisher_lock"] is None
    assert status["capture"]["active"] is True


def test_the_slot_of_the_publishers_before_is_gone(shop: CommandLine) -> None:
    with reading(environment_of(shop).dsn) as conn:
        assert log_slot(conn) is None


def test_an_order_is_paid_through_it_and_no_row_is_marked(shop: CommandLine) -> None:
    placed = shop.ask("order", "place", "--wait", "paid")
    mine = eventually(lambda: both_of(shop, placed["order"]["id"]), "both events are in Kafka")

    assert placed["order"]["status"] == "paid"
    for record in mine:
        assert record.headers["id"] == record.payload["event_id"] == record.key
        assert "event_id" not in record.headers
    with reading(environment_of(shop).dsn) as conn:
        row = conn.execute("SELECT count(*), count(published_at) FROM outbox").fetchone()
    assert row is not None
    assert row[0] >= 3
    assert row[1] == 0


def both_of(shop: CommandLine, order_id: str) -> list[kafka.LogRecord] | None:
    """An order's two records; None while one is not there yet."""
    found = [
        record
        for record in records_of(shop, Topic.ORDERS_PLACED, Topic.ORDERS_PAID)
        if record.payload["order_id"] == order_id
    ]
    return found if len(found) == 2 else None


def test_every_check_holds(shop: CommandLine) -> None:
    document = shop.ask("check")

    assert document["exit"]["code"] == 0
    single = next(item for item in document["items"] if item["id"] == "BP-C002")
    assert "a second was refused" in single["observed"]


def test_nothing_is_lost_when_its_worker_is_killed_under_load(shop: CommandLine) -> None:
    before = worker_of(shop)
    load = shop.begin("load", "--rate", "10", "--duration", "20s", "--settle", "2m", "-o", "json")
    with reading(environment_of(shop).dsn) as conn:
        eventually(lambda: pending_orders(conn) > 5, "orders are under way")
        os.kill(before["pid"], signal.SIGKILL)
        eventually(lambda: not is_read(conn), "nobody reads the slot")
        eventually(lambda: is_read(conn), "the slot is read again")
    told = json.loads(load.communicate(timeout=240)[0])
    audit = shop.ask("audit", "--history", told["history"])

    after = worker_of(shop)
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"] + 1
    assert audit["exit"]["code"] == 0
    answers = verdicts(audit)
    assert {answers[rule] for rule in ("I01", "I06", "I10", "I12")} == {"holds"}


def pending_orders(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute("SELECT count(*) FROM orders WHERE status = 'pending'").fetchone()
    conn.rollback()
    return 0 if row is None else int(row[0])


def is_read(conn: psycopg.Connection[Any]) -> bool:
    slot = read_slot(conn)
    conn.rollback()
    return slot is not None and slot.active


def test_a_drill_of_a_publisher_is_refused_with_the_reason(shop: CommandLine) -> None:
    for arguments in (("publisher-crash",), ("outage", "--at", "outbox-publisher"), ("storm",)):
        document = shop.ask("drill", *arguments)

        assert document["exit"]["code"] == 6, arguments
        assert "Debezium publishes in its place" in str(document["context"])


def test_rows_without_marks_are_not_sent_again_from_the_outbox(shop: CommandLine) -> None:
    document = shop.ask("replay", "--source", "outbox", "--type", "OrderPlaced")

    assert document["exit"]["code"] == 2


def test_nobody_else_publishes_after_it(shop: CommandLine) -> None:
    changed = CommandLine(shop.home, {**shop.extra, "BOOKPAY_PUBLISHER": "poll"})

    document = changed.ask("up")

    assert document["exit"] == {"code": 2, "reason": "publisher_fixed"}
    assert worker_of(shop)["state"] == "running"


def test_its_password_is_in_one_file_that_others_cannot_read(shop: CommandLine) -> None:
    secrets = shop.root / "secrets" / SECRETS_FILE
    password = secrets.read_text().strip().rpartition("=")[2]
    files = [path for path in (shop.root / WORKER).rglob("*") if path.is_file()]
    files += (shop.root / "logs").iterdir()

    assert secrets.stat().st_mode & 0o077 == 0
    assert [path for path in files if holds(path, password)] == []


def holds(path: Path, text: str) -> bool:
    return text.encode() in path.read_bytes()
