"""`replay --source outbox` on the whole stack: every consumer has seen the event, nobody pays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from bookpayctl.replay.live import TOPICS, refusal_of
from bookpayctl.replay.outbox_rows import OutboxSelection
from bookpayctl.replay.pace import ReplayProgress
from bookpayctl.replay.position import LogTime
from bookpayctl.replay.ranges import ReplayRange
from bookpayctl.replay.reading import Pacing
from bookpayctl.replay.republish import Sending, choose_rows, publish_again, save, saved
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.lag import group_lags
from tests.support.environments import environment_away
from tests.support.records import headers_in
from tests.support.stack import Database, Shop
from tests.support.twin import API_KEY
from tests.support.waiting import eventually

FREELY = Pacing()
SENT_TO = ("orders.placed", "payments.completed", "orders.paid")


@pytest.fixture
def environment(shop: Shop, tmp_path: Path) -> Environment:
    """The stack as an environment, as far as rows are sent and money is counted by it."""
    away = environment_away(tmp_path / "environment")
    away.secrets_dir.mkdir(parents=True)
    (away.secrets_dir / "stripe-api-key").write_text(API_KEY)
    return replace(
        away,
        dsn=shop.database.dsn,
        kafka_bootstrap_servers=shop.stack.bootstrap_servers,
        stripe_api_base=shop.stack.twin.api,
        stripe_control_url=shop.stack.twin.control,
    )


@pytest.fixture
def run(environment: Environment) -> Run:
    return directory.begin(environment.runs_dir, "replay")


@pytest.fixture
def paid(shop: Shop) -> tuple[str, UUID]:
    """An order that is paid, whose customer was told, and whose events are marked."""
    order_id, root = shop.place()
    shop.wait_status(order_id, "paid")
    eventually(lambda: shop.stack.mail.about(order_id), "the customer is told")
    eventually(
        lambda: (
            not shop.database.value(
                "SELECT count(*) FROM outbox WHERE published_at IS NULL AND aggregate_id = ANY(%s)",
                [order_id, str(root)],
            )
        ),
        "every event of the order is marked",
    )
    return order_id, root


def chosen(environment: Environment, order_id: str, root: UUID) -> Sending:
    selection = OutboxSelection(datetime.now(UTC), aggregates=(order_id, str(root)))
    rows = choose_rows(environment, selection)
    assert [(one.event_type, one.rows) for one in rows] == [
        ("OrderPaid", 1),
        ("OrderPlaced", 1),
        ("PaymentCompleted", 1),
    ]
    return Sending(selection, 3)


def by_id(items: list[Item]) -> dict[str, Item]:
    return {item.id: item for item in items}


def test_events_that_were_sent_again_charge_nobody_and_tell_nobody_twice(
    environment: Environment, run: Run, shop: Shop, paid: tuple[str, UUID]
) -> None:
    order_id, root = paid

    items = publish_again(
        environment, run, chosen(environment, *paid), FREELY, deadline_seconds=60.0
    )

    found = by_id(items)
    assert {item.verdict for item in items} == {Verdict.HOLDS}, items
    assert found["replay/sent"].observed == "3 of 3 rows sent"
    assert found["replay/nobody-charged"].examined == 1
    assert shop.status(order_id) == "paid"
    assert len(shop.stack.mail.about(order_id)) == 1
    again = [
        headers
        for headers in headers_in(shop.stack.bootstrap_servers, *SENT_TO)
        if headers.get("replay") == run.run_id
    ]
    assert sorted(headers["event_type"] for headers in again) == [
        "OrderPaid",
        "OrderPlaced",
        "PaymentCompleted",
    ]
    assert {headers["event_id"] for headers in again if headers["event_type"] == "OrderPlaced"} == {
        str(root)
    }
    assert all("publisher_term" not in headers for headers in again)


class CutOffError(RuntimeError):
    """The test ends a replay in the middle."""


def test_a_replay_that_was_cut_off_sends_the_rest(
    environment: Environment, run: Run, shop: Shop, paid: tuple[str, UUID]
) -> None:
    def cut_off(seen: ReplayProgress) -> None:
        raise CutOffError

    with pytest.raises(CutOffError):
        publish_again(
            environment,
            run,
            chosen(environment, *paid),
            Pacing(1, cut_off),
            deadline_seconds=60.0,
        )
    resumed = saved(run.path)
    items = publish_again(environment, run, resumed, FREELY, deadline_seconds=60.0)

    assert resumed.done_before == 1
    assert by_id(items)["replay/sent"].observed == "2 of 3 rows sent, 1 by the run before"
    again = [
        headers["event_type"]
        for headers in headers_in(shop.stack.bootstrap_servers, *SENT_TO)
        if headers.get("replay") == run.run_id
    ]
    assert len(again) == len(set(again)) == 3


def test_a_row_that_was_not_published_is_left_to_the_publisher(
    environment: Environment, paid: tuple[str, UUID]
) -> None:
    order_id, root = paid
    before = OutboxSelection(datetime(2020, 1, 1, tzinfo=UTC), aggregates=(order_id, str(root)))

    assert choose_rows(environment, before) == []


def test_a_position_is_read_as_it_was_written(
    environment: Environment, run: Run, paid: tuple[str, UUID]
) -> None:
    sending = chosen(environment, *paid)

    save(run.path, sending)

    assert saved(run.path) == sending


def test_a_live_replay_is_refused_where_the_ledger_does_not_know_the_orders(
    environment: Environment, shop: Shop, database: Database
) -> None:
    began = LogTime(datetime.now(UTC))
    _, root = shop.place()
    shop.wait_payment(root, "succeeded")
    eventually(lambda: not _behind(environment), "the worker has committed what it took in")
    wanted = ReplayRange(TOPICS, start=began)
    # As if the database had been restored from before these orders, while Kafka has them.
    restored = replace(environment, dsn=database.dsn)

    refusal = refusal_of(restored, wanted)

    assert refusal_of(environment, wanted) is None
    assert refusal is not None
    assert refusal.startswith("the payments ledger does not cover the range: 1 of 1 records")


def _behind(environment: Environment) -> int:
    return group_lags(environment.kafka)["payments-worker"]
