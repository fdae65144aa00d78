"""`replay --mode shadow` on a real broker and database: the tables are rebuilt from records."""

from __future__ import annotations

from uuid import UUID

from bookpayctl.replay.comparing import SHADOW, compare
from bookpayctl.replay.planning import ALL_TOPICS, plan
from bookpayctl.replay.position import LogTime
from bookpayctl.replay.ranges import ReplayRange
from bookpayctl.replay.reading import Pacing
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.runs import directory
from bookpayctl.targets.environment import Environment
from tests.support.stack import Database


def shadow(environment: Environment, since: LogTime) -> Report:
    run = directory.begin(environment.runs_dir, "replay")
    position = plan(environment, ReplayRange(ALL_TOPICS, start=since), "shadow")
    return compare(environment, run, SHADOW, position, Pacing(), strict=False)


def test_the_tables_are_what_the_log_tells(
    environment: Environment, roots: list[UUID], since: LogTime
) -> None:
    report = shadow(environment, since)

    assert report.code is ExitCode.PASS, report.items
    assert {item.id: item.examined for item in report.items} == {"S01": 3, "S02": 3, "S03": 0}


def test_a_row_that_was_changed_by_hand_is_named(
    environment: Environment, roots: list[UUID], since: LogTime, database: Database
) -> None:
    database.run(
        "UPDATE orders SET status = 'cancelled', cancel_reason = 'by hand' WHERE event_id = %s",
        roots[1],
    )

    report = shadow(environment, since)

    drifted = report.items[0]
    assert report.code is ExitCode.VIOLATED
    assert drifted.evidence[1] == (
        f"ord_{roots[1].hex}: the log tells acme|1999|usd|{roots[1]}|paid,"
        f" the live table acme|1999|usd|{roots[1]}|cancelled"
    )


def test_an_order_whose_payment_is_gone_is_named(
    environment: Environment, roots: list[UUID], since: LogTime, database: Database
) -> None:
    database.run("DELETE FROM payments WHERE event_id = %s", roots[2])

    report = shadow(environment, since)

    assert report.items[1].evidence[1].endswith("the live table has no payment")
