"""Facts that a test builds, judged by the rules as they are shipped.

As long as there are two judges, both are asked and must agree, so that every shop that a test
breaks compares them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bookpayctl.judge import evaluation, invariants
from bookpayctl.judge.in_memory import fill_tables
from bookpayctl.judge.invariants import Facts
from bookpayctl.judge.ledgers.store import Connection, opened
from bookpayctl.report.verdict import Item, Verdict


def judge(facts: Facts) -> list[Item]:
    """What SQL answers; both judges were asked."""
    items = judge_by_sql(facts)
    assert differences(invariants.judge(facts), items) == []
    return items


def judge_by_sql(facts: Facts) -> list[Item]:
    with judged_by_hand(facts) as connection:
        return evaluation.judge(connection)


@contextmanager
def judged_by_hand(facts: Facts) -> Iterator[Connection]:
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


def differences(by_python: list[Item], by_sql: list[Item]) -> list[str]:
    """Where two judges do not say the same of one invariant."""
    found = []
    for one, other in zip(by_python, by_sql, strict=True):
        if _said(one) != _said(other):
            found.append(f"{one.id}: {_said(one)} and {_said(other)}")
    return found


def _said(item: Item) -> tuple[object, ...]:
    """What must be the same: verdict, how much was examined and seen, who offends and why.

    Of a question that raised only the verdict: each judge has errors of its own.
    """
    made_up = ("the question failed", "the keys ledger", "the requests ledger")
    if item.verdict is Verdict.UNKNOWN and item.reason.startswith(made_up):
        return (item.id, item.verdict)
    told = [line for line in item.evidence if not line.startswith("first ")]
    # Of three things and more SQL names the first and the last.
    told = [line.partition(":")[0] if item.id in ("I03", "I10") else line for line in told]
    offenders = sorted("".join(sorted(line.replace(",", " ").split())) for line in told)
    return (item.id, item.verdict, item.examined, item.observed, offenders, item.reason)
