"""Questions that are asked of ledgers, asked of small ones in which one thing at a time is wrong.

Nothing is needed but the questions: the ledgers are made here. Each defect must make exactly those
questions red that it is made for, and those that cannot but see it, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from bookpayctl.controls.catalogue import CONTROL_PREFIX
from bookpayctl.controls.control import RED, LedgerDefect
from bookpayctl.controls.defects import clean_log, clean_shop, defects, log_defects
from bookpayctl.judge import evaluation
from bookpayctl.judge.ledgers.store import LedgerConnection, opened
from bookpayctl.judge.ledgers.tables import Table, tables
from bookpayctl.replay.comparing import COMPARISONS, ask_all
from bookpayctl.replay.evidence import schema
from bookpayctl.report.verdict import Item, Verdict

CLEAN_SHOP_ID: Final = f"{CONTROL_PREFIX}ledgers-that-agree"
CLEAN_LOG_ID: Final = f"{CONTROL_PREFIX}log-that-agrees"

Asking = Callable[[str], Sequence[Item]]
"""Make the clean ledgers, change them by a statement, and ask."""


def ledger_items() -> Iterator[Item]:
    """The invariants: an item for the shop as it should be, then one for each defect."""
    yield clean_item(CLEAN_SHOP_ID, ask_shop)
    for defect in defects():
        yield defect_item(defect, ask_shop)


def log_items() -> Iterator[Item]:
    """The questions of a replay: an item for the log as it should be, then one for each defect."""
    yield clean_item(CLEAN_LOG_ID, ask_log)
    for defect in log_defects():
        yield defect_item(defect, ask_log)


def ask_shop(statement: str) -> Sequence[Item]:
    """Every invariant, asked of the shop."""
    with shop(statement) as connection:
        return evaluation.judge(connection)


def ask_log(statement: str) -> Sequence[Item]:
    """Every question of each mode, asked of the log."""
    found: list[Item] = []
    for comparison in COMPARISONS.values():
        # One engine each: both modes make tables of their own beside what they ask of.
        with _filled(schema(), clean_log(), statement) as connection:
            found += ask_all(connection, comparison)
    return found


@contextmanager
def shop(statement: str = "") -> Iterator[LedgerConnection]:
    """The clean shop in an engine, changed by a statement, ready to be judged."""
    with _filled(tables(), clean_shop(), statement) as connection:
        evaluation.prepare(connection)
        yield connection


@contextmanager
def _filled(made_of: Mapping[str, Table], rows: str, statement: str) -> Iterator[LedgerConnection]:
    with opened() as connection:
        for table in made_of.values():
            connection.execute(table.statement)
        connection.execute(rows)
        if statement:
            connection.execute(statement)
        yield connection


def clean_item(item_id: str, ask: Asking) -> Item:
    """Whether every question holds of the ledgers as they should be, and over something."""
    began = time.monotonic()
    answers = ask("")
    not_well = [
        f"{item.id}: {item.observed}" for item in answers if item.verdict is not Verdict.HOLDS
    ]
    return Item(
        id=item_id,
        title=item_id.removeprefix(CONTROL_PREFIX).replace("-", " "),
        verdict=Verdict.VIOLATED if not_well else Verdict.HOLDS,
        required="every question holds, and each has something to look at",
        observed="; ".join(not_well) or f"{len(answers)} questions hold",
        examined=len(answers),
        fix="bookpayctl explain ID" if not_well else "",
        duration_ms=_milliseconds_since(began),
    )


def defect_item(defect: LedgerDefect, ask: Asking) -> Item:
    """Whether a defect makes exactly those questions red that it should."""
    began = time.monotonic()
    answers = {item.id: item for item in ask(defect.statement)}
    red = {item.id for item in answers.values() if item.verdict.value in RED}
    expected = {*defect.red, *defect.also}
    problems = [
        *(f"{missed} stays {answers[missed].verdict.value}" for missed in sorted(expected - red)),
        *(
            f"{strange} is {answers[strange].verdict.value}, too"
            for strange in sorted(red - expected)
        ),
    ]
    seen = [f"{number}: {line}" for number in defect.red for line in answers[number].evidence[:1]]
    return Item(
        id=f"{CONTROL_PREFIX}{defect.name}",
        title=f"{', '.join(defect.red)}: {defect.wrong}",
        verdict=Verdict.VIOLATED if problems else Verdict.HOLDS,
        required=f"red: {', '.join(sorted(expected))}, and no other",
        observed="; ".join(problems) or f"red: {', '.join(sorted(red))}",
        examined=len(answers),
        evidence=tuple(seen),
        fix=f"bookpayctl explain {defect.red[0]}" if problems else "",
        duration_ms=_milliseconds_since(began),
    )


def _milliseconds_since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
