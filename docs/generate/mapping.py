"""What a mapping may say: the tables of docs/audit-your-own-stack.md."""

from __future__ import annotations

from collections.abc import Iterable

from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.mapping.keys import KEYS, KINDS
from bookpayctl.judge.mapping.tables import REQUIRED, WORDS, columns_of
from bookpayctl.judge.rules import rules
from docs.generate.markdown import code, table


def keys() -> str:
    """Every key of the file."""
    return table(
        ("key", "is", "means", "without it"),
        [(code(key.path), KINDS[key.kind], key.meaning, key.default) for key in KEYS],
    )


def columns() -> str:
    """Every table that a mapping can give, with its columns, words, and what rests on it."""
    return table(
        ("table", "what it is", "columns it must have", "columns it may have", "fixed words",
         "without it not asked"),
        [
            (
                code(name),
                tables()[name].meaning,
                _codes(required),
                _codes(one for one in columns_of(name) if one not in required),
                "<br>".join(
                    f"{code(column)}: {_codes(words)}"
                    for (of, column), words in WORDS.items()
                    if of == name
                ),
                ", ".join(rule.id for rule in rules() if any(name in g for g in rule.needs)),
            )
            for name, required in REQUIRED.items()
        ],
    )  # fmt: skip


def _codes(names: Iterable[str]) -> str:
    return ", ".join(map(code, names))
