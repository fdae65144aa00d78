"""The invariants as they are written: one SQL file each, whose head is data. Pure.

A file begins with `-- name: value` lines. Each statement follows a comment that opens with its
name: `violations` and `examined` always; `waiting`, `explained` and `excused` where there is such
a thing; any other name is a table that the statements below it ask of.

Shapes: violations and explained give subject, order_id, amount, currency, detail and at; examined
and waiting give one number; excused gives amount and currency, one row for each thing left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

PLACE: Final = "bookpayctl.judge.invariants"
DERIVED: Final = "derived.sql"
SCHEMA: Final = ("bookpayctl.judge.ledgers", "schema.sql")

VIOLATIONS: Final = "violations"
EXAMINED: Final = "examined"
WAITING: Final = "waiting"
EXPLAINED: Final = "explained"
EXCUSED: Final = "excused"
SPARED: Final = "?"
ANSWERS: Final = frozenset({VIOLATIONS, EXAMINED, WAITING, EXPLAINED, EXCUSED})

PROBE_EVENT_PREFIX: Final = "evt_bookpayprobe_"
"""Of the signed webhook by which `check` sees that a good one is taken, as I20 knows it."""

_HEAD: Final = re.compile(r"^-- (\w+): (.+)$")
_SECTION: Final = re.compile(r"^-- ([a-z_]+)(?::.*)?\n((?:--.*\n)*)", re.MULTILINE)
_CREATED: Final = re.compile(r"CREATE TABLE (\w+) AS\s(.+)", re.DOTALL)
_WORD: Final = re.compile(r"\b[a-z_][a-z0-9_]*\b")
_TEXT: Final = re.compile(r"'[^']*'")


class RuleError(ValueError):
    """A file of the rule set is not as this page says; the message names it."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """One invariant.

    Attributes:
        asks: what it asks, in a sentence or two.
        needs: groups of tables, of each of which one must be there.
        spares: tables (`name?` in the head) that are asked as empty where the stack has no such
            thing; one that could not be read is missed all the same.
        columns: columns `table.column` without which the answer would be a guess: that a source
            does not give, or, of times, whose value could not be read. Elsewhere what has no time
            is judged.
        examines: what is counted as examined, in words.
        excuses: what is left out because another ledger accounts for it, in words, with `{money}`
            where its money is told; empty where nothing is.
        fix: where to look first; empty for the default, the trace of the worst order.
        tables: tables of its own, by name, in the order in which they are made.
        statements: the others, by name.
    """

    id: str
    title: str
    asks: str
    required: str
    needs: tuple[tuple[str, ...], ...]
    spares: tuple[str, ...]
    columns: tuple[str, ...]
    examines: str
    excuses: str
    fix: str
    tables: dict[str, str]
    statements: dict[str, str]

    @property
    def reads(self) -> tuple[tuple[str, ...], ...]:
        """Groups of tables that it asks of, with those that a stack may do without."""
        return (*self.needs, *((name,) for name in self.spares))


@cache
def rules() -> tuple[Invariant, ...]:
    """Every invariant, by id.

    Raises:
        RuleError: a file is not as it should be.
    """
    return tuple(rule_of(name, text) for name, text in sorted(_files()) if name != DERIVED)


@cache
def derived_tables() -> tuple[str, ...]:
    """The statements that make what several invariants ask of, in their order."""
    text = dict(_files())[DERIVED]
    return tuple(part for part in _without_comments(text).split(";") if part.strip())


@cache
def columns_read(table: str) -> frozenset[str]:
    """Names that may be columns of a derived table which a rule reads, if through others.

    Every word of each rule that names the table, and of what is derived from it; what is not among
    them can change no answer, so long as no rule asks for `*` in what counts or compares rows.
    """
    words: set[str] = set()
    for rule in rules():
        named = _names_in(*rule.tables.values(), *rule.statements.values())
        words |= named if table in named else frozenset()
    for statement in derived_tables():
        made, named = name_of(statement), _names_in(statement)
        if made != table and table in named:
            words |= named | columns_read(made)
    return frozenset(words)


def name_of(derived: str) -> str:
    """Which table a statement of `derived.sql` makes."""
    return _parts(derived)[0]


def select_of(derived: str) -> str:
    """Of what rows a statement of `derived.sql` makes its table."""
    return _parts(derived)[1]


def _parts(derived: str) -> tuple[str, str]:
    found = _CREATED.match(derived.strip())
    if found is None:
        raise RuleError(f"{DERIVED} has a statement that makes no table: {derived.strip()[:60]}")
    return found[1], found[2]


def _names_in(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in _WORD.findall(_TEXT.sub("", text)))


@cache
def rules_sha256() -> str:
    """What tells one rule set, with its schema, from any other."""
    place, name = SCHEMA
    hashed = hashlib.sha256(files(place).joinpath(name).read_bytes())
    for file_name, text in sorted(_files()):
        hashed.update(f"\n{file_name}\n{text}".encode())
    return hashed.hexdigest()


def words_of(rule: Invariant) -> frozenset[str]:
    """Every name that the rule's statements read, through the tables that they stand on, too."""
    made = {name_of(text): text for text in derived_tables()}
    words: set[str] = set()
    texts = [*rule.tables.values(), *rule.statements.values()]
    while texts:
        fresh = _names_in(texts.pop()) - words
        words |= fresh
        texts += [made[name] for name in fresh if name in made]
    return frozenset(words)


def rule_of(name: str, text: str) -> Invariant:
    """One file as a rule.

    Raises:
        RuleError: its head lacks something, or a statement that must be there is not.
    """
    lines = text.splitlines(keepends=True)
    head: dict[str, str] = {}
    for line in lines:
        found = _HEAD.match(line.rstrip())
        if found is None:
            break
        head[found[1]] = found[2]
    statements = dict(_sections("".join(lines[len(head) :])))
    missing = [
        *({"id", "title", "asks", "required", "needs", EXAMINED} - set(head)),
        *({VIOLATIONS, EXAMINED} - set(statements)),
        *({"excuses"} - set(head) if EXCUSED in statements else set()),
    ]
    if missing or not name.startswith(f"{head['id']}_"):
        raise RuleError(f"{name} has no {', '.join(sorted(missing)) or 'name of its id'}")
    needs = [need.strip() for need in head["needs"].split(",")]
    return Invariant(
        id=head["id"],
        title=head["title"],
        asks=head["asks"],
        required=head["required"],
        needs=tuple(
            tuple(one.strip() for one in need.split("|"))
            for need in needs
            if "." not in need and not need.endswith(SPARED)
        ),
        spares=tuple(need.rstrip(SPARED) for need in needs if need.endswith(SPARED)),
        columns=tuple(need for need in needs if "." in need),
        examines=head[EXAMINED],
        excuses=head.get("excuses", ""),
        fix=head.get("fix", ""),
        tables={k: v for k, v in statements.items() if k not in ANSWERS},
        statements={k: v for k, v in statements.items() if k in ANSWERS},
    )


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Name and statement of each part; a comment after which a statement goes on is none."""
    names = [
        found
        for found in _SECTION.finditer(text)
        if not _without_comments(text[: found.start()]).rstrip().rstrip(";").strip()
        or _without_comments(text[: found.start()]).rstrip().endswith(";")
    ]
    for found, following in zip(names, [*names[1:], None], strict=True):
        end = len(text) if following is None else following.start()
        yield found[1], _without_comments(text[found.end() : end]).strip().rstrip(";")


def _without_comments(text: str) -> str:
    return re.sub(r"^\s*--.*\n", "", text, flags=re.MULTILINE)


def _files() -> Iterator[tuple[str, str]]:
    for entry in files(PLACE).iterdir():
        if entry.name.endswith(".sql"):
            yield entry.name, entry.read_text(encoding="utf-8")
