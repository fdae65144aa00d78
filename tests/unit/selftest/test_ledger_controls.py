"""The invariants see what is wrong in ledgers, and the selftest sees one that does not."""

from __future__ import annotations

import pytest

from bookpayctl.controls.control import LedgerDefect
from bookpayctl.controls.defects import defects
from bookpayctl.judge.rules import rules
from bookpayctl.report.verdict import Verdict
from bookpayctl.selftest.ledgers import clean_item, defect_item


def test_in_ledgers_that_agree_every_invariant_holds_over_something() -> None:
    item = clean_item()

    assert item.verdict is Verdict.HOLDS, item.observed
    assert item.examined == len(rules())


@pytest.mark.parametrize("defect", defects(), ids=lambda defect: defect.name)
def test_a_defect_is_seen_by_its_invariants_and_by_no_other(defect: LedgerDefect) -> None:
    item = defect_item(defect)

    assert item.verdict is Verdict.HOLDS, item.observed
    assert item.evidence


def test_an_invariant_that_sees_nothing_fails_the_selftest() -> None:
    blind = LedgerDefect("nothing", "nothing is wrong", ("I10",), (), "SELECT 1")

    item = defect_item(blind)

    assert item.verdict is Verdict.VIOLATED
    assert item.observed == "I10 stays holds"


def test_an_invariant_that_sees_what_is_not_there_fails_the_selftest() -> None:
    defect = next(found for found in defects() if found.name == "second-charge")
    unexpected = LedgerDefect(defect.name, defect.wrong, ("I10",), (), defect.statement)

    item = defect_item(unexpected)

    assert item.verdict is Verdict.VIOLATED
    assert item.observed == "I11 is violated, too"
