"""Another engine gives the same answers: every rule, of every shop that has one thing broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest

from bookpayctl.judge import evaluation
from bookpayctl.judge.rules import rules
from tests.support import judged_shop as shop
from tests.support.judging import judged_by_hand
from tests.support.other_engine import Answers, answers_of, fill_postgres, shown
from tests.support.seeded_defects import DEFECTS
from tests.support.servers import Servers, running_servers
from tests.support.shop_rows import Facts

SHOPS: Final = {"healthy": shop.healthy(), **DEFECTS}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("elsewhere"), with_kafka=False) as running:
        yield running


def judged_by_duckdb(facts: Facts) -> Answers:
    """What the tool's own engine answers, statement by statement."""
    found: Answers = {}
    with judged_by_hand(facts) as connection:
        evaluation.prepare(connection)
        for rule in rules():
            for name, statement in rule.tables.items():
                connection.execute(f"CREATE TABLE {name} AS {statement}")
            found[rule.id] = {
                name: shown(connection.execute(statement).fetchall())
                for name, statement in rule.statements.items()
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
    if name != "healthy":
        assert theirs[name]["violations"]
