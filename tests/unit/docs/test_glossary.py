"""The glossary is of words in use, and the words it refuses are not used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from docs.generate import glossary

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = ("runtime", "bookpayctl")

TERMS, AVOIDED = glossary.read()


def prose_and_code() -> str:
    """All that is written here but for the glossary itself, in lower case."""
    files = [
        *(path for folder in PROGRAMS for path in (ROOT / folder).rglob("*.py")),
        *(path for path in (ROOT / "docs").glob("*.md") if path.name != "glossary.md"),
        *ROOT.glob("*.md"),
    ]
    return "\n".join(path.read_text() for path in files).lower()


def named_in_the_code() -> Iterator[tuple[str, str]]:
    """Every class and function of both programs, with its file."""
    for folder in PROGRAMS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    yield node.name, str(path.relative_to(ROOT))


def test_every_term_is_in_use() -> None:
    text = prose_and_code()

    unused = [
        term.word
        for term in TERMS
        if not re.search(rf"(?<![a-z]){re.escape(term.found_as.lower())}", text)
    ]

    assert unused == []


def test_no_term_stands_twice() -> None:
    words = [term.word.lower() for term in TERMS]

    assert len(words) == len(set(words))


def test_no_class_or_function_has_a_name_that_the_glossary_refuses() -> None:
    refused = {name for word in AVOIDED for name in word.names}

    used = [f"{place} {name}" for name, place in named_in_the_code() if name in refused]

    assert refused, "the glossary refuses no name, so nothing was examined"
    assert used == []
