"""The rules are standard SQL: every word, function and sign in them, but a list with reasons.

Words of SQL are written in capitals there and names are not, so a word that stands in neither list
is told, whatever it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

import pytest

from bookpayctl.judge.rules import PLACE, SCHEMA

# ISO/IEC 9075-2:2023, reserved and non-reserved words, as far as they are needed here. What else is
# standard may be added; what is not belongs into ALLOWED, with its reason.
WORDS: Final = """
    ABS ALL AND AS BETWEEN BIGINT BOOLEAN BY CASE CAST CHAR_LENGTH COALESCE COUNT CREATE CROSS DESC
    DISTINCT ELSE END EXCEPT EXISTS FALSE FETCH FILTER FIRST FLOOR FOR FROM GREATEST GROUP HAVING IN
    INTEGER INTERSECT INTERVAL IS JOIN LAG LEAD LEAST LEFT LIKE LOWER MAX MIN NOT NULL NULLIF ON
    ONLY OR ORDER OVER PARTITION POSITION ROW ROWS ROW_NUMBER SECOND SELECT SUBSTRING SUM TABLE THEN
    TIMESTAMP TRIM TRUE UNION UPPER VALUES VARCHAR WHEN WHERE WITH
"""
SIGNS: Final = "( ) , . ; * + - / || = <> < <= > >= '"
STANDARD: Final = frozenset([*WORDS.split(), *SIGNS.split()])
ALLOWED: Final = {
    "MD5": "a share of the orders is chosen by a digest, and the standard has none",
}

_COMMENT: Final = re.compile(r"--[^\n]*")
_TEXT: Final = re.compile(r"'(?:[^']|'')*'")
_TOKEN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\d+(?:\.\d+)?|\|\||<>|<=|>=|::|==|[^\w\s]")
_CALL: Final = re.compile(r"(?<![A-Za-z0-9_.])([a-z_][a-z0-9_]*)\s*\(")


def rule_files() -> Iterator[tuple[str, str]]:
    """The schema, the joins and every invariant, by name."""
    place, name = SCHEMA
    yield name, files(place).joinpath(name).read_text(encoding="utf-8")
    for entry in sorted(files(PLACE).iterdir(), key=lambda found: found.name):
        if entry.name.endswith(".sql"):
            yield entry.name, entry.read_text(encoding="utf-8")


def strangers(text: str) -> set[str]:
    """What in a file is neither standard nor a name; functions in small letters, too."""
    bare = _TEXT.sub(" ' ", _COMMENT.sub("", text))
    words = {word for word in _TOKEN.findall(bare) if not word[0].isdigit()}
    unknown = {word for word in words if word not in STANDARD and not _is_name(word)}
    # A column list behind a name that is being given looks like a call.
    called = {found[1] for found in _CALL.finditer(re.sub(r"\b(?:AS|TABLE)\s+\w+\s*\(", "(", bare))}
    return (unknown | {f"{name}()" for name in called}) - set(ALLOWED)


def _is_name(word: str) -> bool:
    return word[0].isalpha() and word == word.lower()


@pytest.mark.parametrize(("name", "text"), [*rule_files()], ids=lambda one: str(one)[:3])
def test_a_rule_says_nothing_that_is_not_standard_sql(name: str, text: str) -> None:
    assert strangers(text) == set(), f"{name}: write it as the standard does, or give a reason"


def test_what_is_allowed_beyond_the_standard_is_still_needed() -> None:
    used = {word for _, text in rule_files() for word in _TOKEN.findall(_COMMENT.sub("", text))}

    assert set(ALLOWED) <= used


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT order_id::TEXT FROM orders", {"::", "TEXT"}),
        ("SELECT * EXCLUDE (amount) FROM orders", {"EXCLUDE"}),
        ("SELECT amount FROM orders QUALIFY LAG(amount) OVER (ORDER BY amount) = 1", {"QUALIFY"}),
        ("SELECT string_agg(order_id, ',') FROM orders", {"string_agg()"}),
        ("SELECT ARG_MIN(order_id, amount) FROM orders GROUP BY ALL", {"ARG_MIN"}),
        ("SELECT order_id FROM orders LIMIT 1", {"LIMIT"}),
        ("SELECT [1, 2] FROM orders WHERE status ILIKE 'a' AND amount % 2 == 1",
         {"[", "]", "ILIKE", "%", "=="}),
        ("FROM read_parquet('x') SELECT {'a': 1}", {"read_parquet()", "{", "}", ":"}),
        ("SELECT amount FROM orders SEMI JOIN payments USING (event_id)", {"SEMI", "USING"}),
        ("CREATE OR REPLACE TEMP TABLE x AS SELECT 1", {"REPLACE", "TEMP"}),
        ("SELECT 1 -- a comment :: QUALIFY\nFROM orders WHERE status = 'it''s ::'", set()),
    ],
)  # fmt: skip
def test_what_only_some_engines_know_is_found(statement: str, told: set[str]) -> None:
    assert strangers(statement) == told
