"""`replay --mode verify` on a real broker and database, with records of the real publisher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from confluent_kafka import Producer

from bookpayctl.replay import evidence
from bookpayctl.replay.comparing import VERIFY, compare
from bookpayctl.replay.errors import PositionError
from bookpayctl.replay.pace import ReplayProgress
from bookpayctl.replay.planning import ALL_TOPICS, plan
from bookpayctl.replay.position import LogPlace, LogTime, records_in
from bookpayctl.replay.ranges import ReplayRange
from bookpayctl.replay.reading import Pacing
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Verdict
from bookpayctl.runs import directory
from bookpayctl.targets.environment import Environment
from tests.support.paid_orders import write_paid_order
from tests.support.stack import Database

FREELY = Pacing()


def verify(environment: Environment, wanted: ReplayRange, pacing: Pacing = FREELY) -> Report:
    run = directory.begin(environment.runs_dir, "replay")
    position = plan(environment, wanted, "verify")
    return compare(environment, run, VERIFY, position, pacing, strict=False)


def verdicts(report: Report) -> dict[str, Verdict]:
    return {item.id: item.verdict for item in report.items}


def produce(servers: str, topic: str, key: bytes, value: bytes | None, **headers: str) -> None:
    producer = Producer({"bootstrap.servers": servers})
    producer.produce(topic, value, key, headers=[(k, v.encode()) for k, v in headers.items()])
    assert producer.flush(30) == 0


def test_what_the_publisher_sent_is_what_the_ledger_has(
    environment: Environment, roots: list[UUID], since: LogTime
) -> None:
    report = verify(environment, ReplayRange(ALL_TOPICS, start=since))

    assert report.code is ExitCode.PASS, report.items
    assert {item.id: item.examined for item in report.items} == {
        "R01": 9, "R02": 0, "R03": 9, "R04": 3, "R05": 9, "R06": 9, "R07": 9,
    }  # fmt: skip


def test_a_row_that_was_changed_and_one_that_is_gone_are_named(
    environment: Environment, roots: list[UUID], since: LogTime, database: Database
) -> None:
    database.run(
        "UPDATE outbox SET payload = payload || '{\"amount_cents\": 1}' WHERE event_id = %s",
        roots[0],
    )
    database.run("DELETE FROM outbox WHERE event_id = %s", roots[1])

    report = verify(environment, ReplayRange(ALL_TOPICS, start=since))

    assert report.code is ExitCode.VIOLATED
    found = {item.id: item for item in report.items}
    assert found["R03"].evidence[0].startswith(f"{roots[0]}: orders.placed/")
    assert found["R03"].evidence[0].endswith("has another payload than its OrderPlaced")
    assert found["R01"].evidence[0].startswith(f"{roots[1]}: orders.placed/")


def test_a_published_row_whose_record_never_came_is_missed(
    environment: Environment, roots: list[UUID], database: Database
) -> None:
    late = datetime.now(UTC) - timedelta(minutes=10)
    root = write_paid_order(database, is_marked=True)

    report = verify(environment, ReplayRange(ALL_TOPICS, start=LogTime(late)))

    missed = next(item for item in report.items if item.id == "R02")
    assert missed.observed.startswith("3 violations")
    assert any(line.startswith(str(root)) for line in missed.evidence)


def test_tombstones_and_poison_are_told_and_never_compared(
    environment: Environment, roots: list[UUID], since: LogTime, own_broker: str
) -> None:
    produce(own_broker, "orders.paid", b"k", None)
    produce(own_broker, "orders.paid", b"k", b'{"version": 2}', event_type="OrderPaid")

    report = verify(environment, ReplayRange(ALL_TOPICS, start=since))

    told = next(item for item in report.items if item.id == "R07")
    assert (told.verdict, told.observed) == (Verdict.WARNING, "2 not compared")
    assert {line.split(": ")[1] for line in told.evidence if ": " in line} >= {
        "it has no value (a tombstone), which nobody has set aside",
        "its version is unknown, which nobody has set aside",
    }


def test_a_range_without_records_is_vacuous(environment: Environment, own_broker: str) -> None:
    later = LogTime(datetime.now(UTC) + timedelta(days=1))

    report = verify(environment, ReplayRange(ALL_TOPICS, start=later))

    assert report.code is ExitCode.VACUOUS


def test_one_partition_is_read_from_an_offset_and_others_are_not(
    environment: Environment, roots: list[UUID]
) -> None:
    topic = ReplayRange(("orders.placed",), named=True)
    whole = plan(environment, topic, "verify")
    (_, partition), (_, end) = max(whole.ranges.items(), key=lambda item: item[1][1])

    report = verify(environment, replace(topic, start=LogPlace(partition, end - 1)))

    assert report.context["records"].startswith("1 of ")
    assert verdicts(report)["R02"] is Verdict.VACUOUS


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (LogPlace(7, 0), "orders.placed has no partition 7"),
        (LogPlace(0, 10_000), "orders.placed/0 holds offsets from 0 to"),
    ],
)
def test_an_offset_that_is_not_there_is_refused_by_name(
    place: LogPlace, words: str, environment: Environment
) -> None:
    with pytest.raises(PositionError, match=words):
        plan(environment, ReplayRange(("orders.placed",), named=True, start=place), "verify")


def test_a_topic_that_is_not_there_is_refused_by_name(environment: Environment) -> None:
    with pytest.raises(PositionError, match=r"--topic orders\.lost: there is no such topic"):
        plan(environment, ReplayRange(("orders.lost",), named=True), "verify")


class CutOffError(RuntimeError):
    """The test ends a replay in the middle."""


def cut_off_after(records: int) -> Callable[[ReplayProgress], None]:
    def show(seen: ReplayProgress) -> None:
        if seen.done >= records:
            raise CutOffError

    return show


def test_a_replay_that_was_cut_off_goes_on_where_it_was(
    environment: Environment, roots: list[UUID], since: LogTime
) -> None:
    run = directory.begin(environment.runs_dir, "replay")
    position = plan(environment, ReplayRange(ALL_TOPICS, start=since), "verify")
    assert records_in(position.ranges) == 9
    with pytest.raises(CutOffError):
        compare(environment, run, VERIFY, position, Pacing(20, cut_off_after(4)), strict=False)

    resumed = evidence.saved(run.path)
    again = compare(
        environment, directory.resume(run.path), VERIFY, resumed, Pacing(), strict=False
    )

    assert 4 <= resumed.done < 9
    assert again.code is ExitCode.PASS
    assert {item.id: item.examined for item in again.items}["R03"] == 9


def test_a_rate_is_kept(environment: Environment, roots: list[UUID], since: LogTime) -> None:
    seen: list[ReplayProgress] = []

    verify(environment, ReplayRange(ALL_TOPICS, start=since), Pacing(10, seen.append))

    assert seen[-1].done == seen[-1].total == 9
    assert seen[-1].seconds >= (9 - 1) / 10
