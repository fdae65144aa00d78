"""Facts that a test builds, judged by the rules as they are shipped."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bookpayctl.judge import evaluation
from bookpayctl.judge.ledgers.store import LedgerConnection, opened
from bookpayctl.report.verdict import Item, Verdict
from tests.support.shop_rows import Facts
from tests.support.shop_tables import fill_tables


def judge(facts: Facts) -> list[Item]:
    """What every invariant answers."""
    with judged_by_hand(facts) as connection:
        evaluation.prepare(connection)
        return evaluation.judge(connection)


@contextmanager
def judged_by_hand(facts: Facts) -> Iterator[LedgerConnection]:
    """An engine with the facts in its tables, not judged yet."""
    with opened() as connection, tempfile.TemporaryDirectory() as folder:
        fill_tables(connection, facts, Path(folder))
        yield connection


def violated(facts: Facts) -> set[str]:
    """Ids of the invariants that do not hold."""
    return {item.id for item in judge(facts) if item.verdict is Verdict.VIOLATED}


def answer(facts: Facts, invariant_id: str) -> Item:
    """The answer to one invariant."""
    return next(item for item in judge(facts) if item.id == invariant_id)
