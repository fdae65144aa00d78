"""The invariants, asked of a small shop in which one thing at a time is wrong.

Nothing is needed but the rules: the ledgers are made here. Each defect must make exactly those
invariants red that it is made for, and those that cannot but see it, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bookpayctl.controls.catalogue import CONTROL_PREFIX
from bookpayctl.controls.control import LedgerDefect
from bookpayctl.controls.defects import clean_shop, defects
from bookpayctl.judge import evaluation
from bookpayctl.judge.ledgers.store import Connection, opened
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.report.verdict import Item, Verdict

CLEAN_ID: Final = f"{CONTROL_PREFIX}ledgers-that-agree"


def ledger_items() -> Iterator[Item]:
    """An item for the shop as it should be, then one for each defect."""
    yield clean_item()
    for defect in defects():
        yield defect_item(defect)


@contextmanager
def shop(statement: str = "") -> Iterator[Connection]:
    """The clean shop in an engine, changed by a statement, ready to be judged."""
    with opened() as connection:
        for table in tables().values():
            connection.execute(table.statement)
        connection.execute(clean_shop())
        if statement:
            connection.execute(statement)
        evaluation.prepare(connection)
        yield connection


def clean_item() -> Item:
    """Whether every invariant holds in the shop as it should be, and over something."""
    began = time.monotonic()
    with shop() as connection:
        answers = evaluation.judge(connection)
    not_well = [
        f"{item.id}: {item.observed}" for item in answers if item.verdict is not Verdict.HOLDS
    ]
    return Item(
        id=CLEAN_ID,
        title="ledgers that agree",
        verdict=Verdict.VIOLATED if not_well else Verdict.HOLDS,
        required="every invariant holds, and each has something to look at",
        observed="; ".join(not_well) or f"{len(answers)} invariants hold",
        examined=len(answers),
        fix="bookpayctl explain ID" if not_well else "",
        duration_ms=_milliseconds_since(began),
    )


def defect_item(defect: LedgerDefect) -> Item:
    """Whether a defect makes exactly those invariants red that it should."""
    began = time.monotonic()
    with shop(defect.statement) as connection:
        answers = {item.id: item for item in evaluation.judge(connection)}
    red = {item.id for item in answers.values() if item.verdict is Verdict.VIOLATED}
    expected = {*defect.red, *defect.also}
    problems = [
        *(f"{missed} stays {answers[missed].verdict.value}" for missed in sorted(expected - red)),
        *(f"{strange} is violated, too" for strange in sorted(red - expected)),
    ]
    seen = [f"{number}: {line}" for number in defect.red for line in answers[number].evidence[:1]]
    return Item(
        id=f"{CONTROL_PREFIX}{defect.name}",
        title=f"{', '.join(defect.red)}: {defect.wrong}",
        verdict=Verdict.VIOLATED if problems else Verdict.HOLDS,
        required=f"violated: {', '.join(sorted(expected))}, and no other",
        observed="; ".join(problems) or f"violated: {', '.join(sorted(red))}",
        examined=len(answers),
        evidence=tuple(seen),
        fix=f"bookpayctl explain {defect.red[0]}" if problems else "",
        duration_ms=_milliseconds_since(began),
    )


def _milliseconds_since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
