"""Another engine gives the same answers: every rule, of every shop that has one thing broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest

from bookpayctl.controls.defects import defects
from bookpayctl.judge.rules import rules
from bookpayctl.selftest.ledgers import shop
from tests.support.other_engine import Answers, answers_of, fill_postgres, shown
from tests.support.servers import Servers, running_servers

CLEAN: Final = "clean"
SHOPS: Final = {CLEAN: "", **{defect.name: defect.statement for defect in defects()}}
RED: Final = {defect.name: defect.red for defect in defects()}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("elsewhere"), with_kafka=False) as running:
        yield running


def judged_by_duckdb(statement: str) -> Answers:
    """What the tool's own engine answers, statement by statement."""
    found: Answers = {}
    with shop(statement) as connection:
        for rule in rules():
            for name, made in rule.tables.items():
                connection.execute(f"CREATE TABLE {name} AS {made}")
            found[rule.id] = {
                name: shown(connection.execute(asked).fetchall())
                for name, asked in rule.statements.items()
            }
            for name in reversed(rule.tables):
                connection.execute(f"DROP TABLE {name}")
    return found


@pytest.mark.parametrize("name", SHOPS)
def test_postgresql_answers_every_rule_as_duckdb_does(name: str, postgres: Servers) -> None:
    ours = judged_by_duckdb(SHOPS[name])

    with psycopg.connect(postgres.dsn) as conn:
        fill_postgres(conn, SHOPS[name])
        theirs = answers_of(conn)
        conn.rollback()

    assert theirs == ours
    assert all(theirs[red]["violations"] for red in RED.get(name, ()))
