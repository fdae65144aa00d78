"""Asks every rule of opened ledgers, and turns what SQL answers into items.

Violated beats unknown beats holds; a question that raises is unknown; one that looked at nothing is
vacuous. A row with a value that could not be held makes what rests on it unknown, unless something
is violated anyway.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bookpayctl.judge.ledgers.absence import Absence
from bookpayctl.judge.ledgers.store import LedgerConnection, StoreError, quoted
from bookpayctl.judge.ledgers.tables import TIMESTAMP, UNREADABLE, tables
from bookpayctl.judge.rules import (
    EXAMINED,
    EXCUSED,
    EXPLAINED,
    VIOLATIONS,
    WAITING,
    Invariant,
    columns_read,
    derived_tables,
    name_of,
    rules,
    select_of,
    words_of,
)
from bookpayctl.report.money import shown_money, shown_sums
from bookpayctl.report.verdict import Item, Verdict, not_asked, unanswered

EXCUSED_WORD: Final = "excused:"
"""How a sentence begins that names what an invariant left out, and why."""

EVIDENCE_MAX: Final = 10
"""Violations listed per invariant; the count is always of all of them."""

NOT_TOLD: Final = "does not hold, with a value that could not be read"

_MONEY: Final = re.compile(r"\{(-?\d+) ([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an invariant does not hold, or where another ledger accounts for that.

    Attributes:
        subject: the order, event, key or sku it is about.
        order_id: the order that it concerns, where there is one.
        amount: the money at stake, in minor units; 0 where there is none.
        detail: the two facts that contradict each other.
        at: when it was, where a ledger says so; UTC.
    """

    subject: str
    order_id: str | None
    amount: int
    currency: str | None
    detail: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Findings:
    """Places of one kind: how many, the worst of them by money, and the first and last in time."""

    count: int
    worst: tuple[Violation, ...] = ()
    first: Violation | None = None
    last: Violation | None = None


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """What SQL answered to one rule; `excused` is a sentence."""

    examined: int
    violations: Findings
    waiting: int = 0
    explained: Findings = Findings(0)
    excused: tuple[str, ...] = ()


def judge(connection: LedgerConnection) -> list[Item]:
    """Ask every rule, in order; none is skipped because another failed.

    Needs the tables of the schema, as `open_folder` or `fill` make them, and `prepare`.
    """
    absent = absences(connection)
    unreadable = unreadable_columns(connection)
    return [item_of(connection, rule, absent, unreadable) for rule in rules()]


def prepare(connection: LedgerConnection) -> None:
    """Make what several rules ask of, with the columns that they read and no others.

    What cannot be made is missed by the rules that need it, and they are unknown then.
    """
    for statement in derived_tables():
        name, question = name_of(statement), select_of(statement)
        try:
            made = connection.execute(f"SELECT * FROM ({question}) AS made LIMIT 0").columns
            columns = [column for column in made if column in columns_read(name)]
            connection.execute(
                f"CREATE TABLE {name} AS SELECT {', '.join(columns)} FROM ({question}) AS made"
            )
        except StoreError:
            continue


def absences(connection: LedgerConnection) -> dict[str, Absence]:
    """Why tables are not there, by name."""
    found = connection.execute("SELECT table_name, reason, chosen FROM absent").fetchall()
    return {name: Absence(reason, bool(chosen)) for name, reason, chosen in found}


def unreadable_columns(connection: LedgerConnection) -> dict[str, int]:
    """How many rows have a value that could not be held, by `table.column`."""
    counts: dict[str, int] = {}
    for table in tables().values():
        if UNREADABLE not in table.names:
            continue
        for names, count in connection.execute(
            f"SELECT {UNREADABLE}, COUNT(*) FROM {table.name}"
            f" WHERE {UNREADABLE} IS NOT NULL GROUP BY {UNREADABLE}"
        ).fetchall():
            for name in names.split(", "):
                place = f"{table.name}.{name}"
                counts[place] = counts.get(place, 0) + count
    return counts


def item_of(
    connection: LedgerConnection,
    rule: Invariant,
    absent: dict[str, Absence],
    unreadable: dict[str, int],
) -> Item:
    """One rule's answer; whatever goes wrong in it, it is an item."""
    missing = missing_table(rule, absent)
    if missing is not None:
        return _without(rule, missing)
    began = time.monotonic()
    try:
        answer = ask(connection, rule)
    except Exception as error:  # noqa: BLE001 - a judge that crashed has not acquitted anyone
        reason = f"the question failed: {type(error).__name__}: {error}"
        return unanswered(rule.id, rule.title, rule.required, " ".join(reason.split()))
    finally:
        _forget(connection, rule)
    took = round((time.monotonic() - began) * 1000)
    guess = blind_spots(rule, unreadable)
    if guess and not answer.violations.count:
        return unanswered(rule.id, rule.title, rule.required, guess)
    return Item(
        id=rule.id,
        title=rule.title,
        verdict=_verdict(answer),
        required=rule.required,
        observed=_observed(answer, [name for name in rule.spares if name in absent]),
        examined=answer.examined,
        evidence=(*evidence_of(answer.violations), *evidence_of(answer.explained)),
        fix=_fix(connection, rule, answer),
        duration_ms=took,
    )


def left_out(connection: LedgerConnection) -> tuple[str, ...]:
    """Which rules are not asked or cannot be, by what they miss, a sentence each."""
    absent = absences(connection)
    groups: dict[Absence, list[str]] = {}
    for rule in rules():
        absence = missing_table(rule, absent)
        if absence is not None:
            groups.setdefault(absence, []).append(rule.id)
    count = sum(map(len, groups.values()))
    if not count:
        return ()
    head = f"{count} of {len(rules())} invariants are not asked of this stack, or unknown:"
    lines = [
        f"{'not asked' if absence.chosen else 'unknown'}: {', '.join(ids)}; {absence.reason}"
        for absence, ids in groups.items()
    ]
    return (head, *lines)


def missing_table(rule: Invariant, absent: dict[str, Absence]) -> Absence | None:
    """Why the rule cannot be asked; None when it can."""
    for alternatives in rule.needs:
        if all(name in absent for name in alternatives):
            return absent[alternatives[0]]
    for column in rule.columns:
        if column in absent:
            return absent[column]
    unread = (absent[name] for name in rule.spares if name in absent)
    return next((absence for absence in unread if not absence.chosen), None)


def blind_spots(rule: Invariant, unreadable: dict[str, int]) -> str:
    """Which rows this rule would have to guess about; empty when there is none."""
    spots = []
    for place, count in sorted(unreadable.items()):
        table, _, column = place.partition(".")
        kinds = {c.name: c.type for c in tables()[table].columns}
        is_time = kinds.get(column) == TIMESTAMP
        reads = {table, column} <= words_of(rule)
        if reads and (not is_time or place in rule.columns):
            spots.append(f"{count} rows have a {place} that could not be read")
    return "; ".join(spots)


def ask(connection: LedgerConnection, rule: Invariant) -> RuleAnswer:
    """Run the rule's statements.

    Raises:
        StoreError: the engine could not answer one of them.
    """
    for name, statement in rule.tables.items():
        connection.execute(f"CREATE TABLE {name} AS {statement}")
    return RuleAnswer(
        examined=_number(connection, rule.statements[EXAMINED]),
        violations=_findings(connection, rule.statements[VIOLATIONS]),
        waiting=_number(connection, rule.statements.get(WAITING)),
        explained=_findings(connection, rule.statements.get(EXPLAINED)),
        excused=_excused(connection, rule),
    )


def all_of(
    connection: LedgerConnection, rule: Invariant, kind: str = VIOLATIONS
) -> Iterator[Violation]:
    """Every violation of a rule, or every explained one; `prepare` was called.

    Raises:
        StoreError: the engine could not answer.
    """
    try:
        for name, statement in rule.tables.items():
            connection.execute(f"CREATE TABLE {name} AS {statement}")
        if kind in rule.statements:
            yield from map(_violation, connection.execute(rule.statements[kind]).fetchall())
    finally:
        _forget(connection, rule)


def shown(detail: str) -> str:
    """A detail as people read it: `{4999 usd}` is 49.99 usd."""
    return _MONEY.sub(lambda found: shown_money(int(found[1]), found[2]), detail)


def evidence_of(found: Findings) -> tuple[str, ...]:
    """The worst by money first, at most EVIDENCE_MAX; of several, the first and last in time."""
    lines = [f"{v.subject}: {v.detail}" for v in found.worst]
    if found.count > len(found.worst):
        lines.append(f"and {found.count - len(found.worst)} more")
    if found.first and found.last and found.first.at != found.last.at:
        lines.append(f"first {_moment(found.first)}, last {_moment(found.last)}")
    return tuple(lines)


def _moment(violation: Violation) -> str:
    at = violation.at.isoformat(timespec="milliseconds") if violation.at else "at no time"
    return f"{violation.subject} {at}"


def _number(connection: LedgerConnection, statement: str | None) -> int:
    if statement is None:
        return 0
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0


def _findings(connection: LedgerConnection, statement: str | None) -> Findings:
    if statement is None:
        return Findings(0)
    connection.execute(f"CREATE OR REPLACE TABLE found AS {statement}")
    count = _number(connection, "SELECT COUNT(*) FROM found")
    if not count:
        return Findings(0)
    worst = connection.execute(
        "SELECT * FROM found"
        " ORDER BY COALESCE(amount, 0) DESC, happened_at NULLS LAST, subject, detail"
        f" LIMIT {EVIDENCE_MAX}"
    ).fetchall()
    return Findings(
        count,
        tuple(map(_violation, worst)),
        _one(connection, "happened_at, subject"),
        _one(connection, "happened_at DESC, subject DESC"),
    )


def _one(connection: LedgerConnection, order: str) -> Violation | None:
    row = connection.execute(
        f"SELECT * FROM found WHERE happened_at IS NOT NULL ORDER BY {order} LIMIT 1"
    ).fetchone()
    return None if row is None else _violation(row)


def _violation(row: Sequence[Any]) -> Violation:
    subject, order_id, amount, currency, detail, at = row
    # What is put together of a value that could not be held is NULL, and a violation all the same.
    words = shown(detail) if detail is not None else NOT_TOLD
    return Violation(subject or "(no id)", order_id, int(amount or 0), currency, words, at)


def _excused(connection: LedgerConnection, rule: Invariant) -> tuple[str, ...]:
    statement = rule.statements.get(EXCUSED)
    if statement is None:
        return ()
    sums = connection.execute(
        f"SELECT COUNT(*), SUM(amount), currency FROM ({statement}) AS left_out GROUP BY currency"
    ).fetchall()
    count = sum(row[0] for row in sums)
    if not count:
        return ()
    money = shown_sums((int(amount or 0), currency or "") for _, amount, currency in sums)
    return (f"{EXCUSED_WORD} {count} {rule.excuses.replace('{money}', money)}",)


def _without(rule: Invariant, absence: Absence) -> Item:
    """A ledger that this stack does not have is a choice; any other missing one is a hole."""
    answer = not_asked if absence.chosen else unanswered
    return answer(rule.id, rule.title, rule.required, absence.reason)


def _verdict(answer: RuleAnswer) -> Verdict:
    if answer.violations.count:
        return Verdict.VIOLATED
    if answer.explained.count:
        return Verdict.WARNING
    return Verdict.HOLDS if answer.examined > 0 else Verdict.VACUOUS


def _observed(answer: RuleAnswer, without: list[str]) -> str:
    seen = [f"{answer.violations.count} violations"]
    if answer.waiting:
        seen.append(f"{answer.waiting} waiting by right")
    if answer.explained.count:
        seen.append(f"{answer.explained.count} explained by our own tables")
    if without:
        seen.append(f"asked without {' and '.join(without)}, which this stack does not have")
    return ", ".join([*seen, *answer.excused])


def _fix(connection: LedgerConnection, rule: Invariant, answer: RuleAnswer) -> str:
    """Where to look first: at the worst order, when one is named, else at what the rule means."""
    found = answer.violations.worst or answer.explained.worst
    if not found:
        return ""
    named = _existing(connection, (v.order_id for v in found if v.order_id))
    if rule.fix:
        return rule.fix
    if named is None or is_mapped(connection):
        return f"bookpayctl explain {rule.id}"
    return f"bookpayctl order trace {named}"


def is_mapped(connection: LedgerConnection) -> bool:
    """Whether the shop is not ours, so that no command of ours but this one knows it."""
    return bool(_number(connection, "SELECT COUNT(*) FROM judgement WHERE mapping IS NOT NULL"))


def _existing(connection: LedgerConnection, order_ids: Iterable[str]) -> str | None:
    """The first of them that is an order."""
    for order_id in order_ids:
        if _number(connection, f"SELECT COUNT(*) FROM orders WHERE order_id = {quoted(order_id)}"):
            return order_id
    return None


def _forget(connection: LedgerConnection, rule: Invariant) -> None:
    for name in (*rule.tables, "found"):
        _tried(connection, f"DROP TABLE IF EXISTS {name}")


def _tried(connection: LedgerConnection, statement: str) -> None:
    """Run what may fail without a verdict of its own: what needs it says that it is not there."""
    try:
        connection.execute(statement)
    except StoreError:
        return
