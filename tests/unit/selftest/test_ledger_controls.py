"""Questions see what is wrong in ledgers, and the selftest sees one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpayctl.controls.control import LedgerDefect
from bookpayctl.controls.defects import defects, log_defects
from bookpayctl.judge.ledgers.store import opened
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.rules import rules
from bookpayctl.replay.comparing import COMPARISONS, questions
from bookpayctl.report.verdict import Verdict
from bookpayctl.selftest.ledgers import (
    CLEAN_LOG_ID,
    CLEAN_SHOP_ID,
    Asking,
    ask_log,
    ask_shop,
    clean_item,
    defect_item,
    shop,
)
from tests.support import judged_shop
from tests.support.shop_tables import fill_tables

OF_REPLAYS = sum(len(questions(comparison.prefix)) for comparison in COMPARISONS.values())


@pytest.mark.parametrize(
    ("item_id", "ask", "count"),
    [(CLEAN_SHOP_ID, ask_shop, len(rules())), (CLEAN_LOG_ID, ask_log, OF_REPLAYS)],
)
def test_in_ledgers_that_agree_every_question_holds_over_something(
    item_id: str, ask: Asking, count: int
) -> None:
    item = clean_item(item_id, ask)

    assert item.verdict is Verdict.HOLDS, item.observed
    assert item.examined == count


@pytest.mark.parametrize(
    ("defect", "ask"),
    [
        pytest.param(defect, ask, id=defect.name)
        for ask, found in ((ask_shop, defects()), (ask_log, log_defects()))
        for defect in found
    ],
)
def test_a_defect_is_seen_by_its_questions_and_by_no_other(
    defect: LedgerDefect, ask: Asking
) -> None:
    item = defect_item(defect, ask)

    assert item.verdict is Verdict.HOLDS, item.observed
    assert item.evidence


def test_an_invariant_that_sees_nothing_fails_the_selftest() -> None:
    blind = LedgerDefect("nothing", "nothing is wrong", ("I10",), (), "SELECT 1")

    item = defect_item(blind, ask_shop)

    assert item.verdict is Verdict.VIOLATED
    assert item.observed == "I10 stays holds"


def test_an_invariant_that_sees_what_is_not_there_fails_the_selftest() -> None:
    defect = next(found for found in defects() if found.name == "second-charge")
    unexpected = LedgerDefect(defect.name, defect.wrong, ("I10",), (), defect.statement)

    item = defect_item(unexpected, ask_shop)

    assert item.verdict is Verdict.VIOLATED
    assert item.observed == "I11 is violated, too"


def test_the_shop_of_the_controls_is_the_shop_of_the_tests(tmp_path: Path) -> None:
    with shop() as controls, opened() as tests:
        fill_tables(tests, judged_shop.healthy(), tmp_path)

        for name in tables():
            question = f"SELECT * FROM {name} ORDER BY ALL"
            assert controls.execute(question).fetchall() == tests.execute(question).fetchall(), name
