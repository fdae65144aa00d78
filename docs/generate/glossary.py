"""The words of the house, from docs/glossary.toml: what each means, and which are not used."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from docs.generate.markdown import code, one_line, table

SOURCE: Final = Path(__file__).resolve().parents[1] / "glossary.toml"


@dataclass(frozen=True, slots=True)
class Term:
    """One word.

    Attributes:
        found_as: text that code or pages use it as, when it is not the word itself.
    """

    word: str
    means: str
    found_as: str


@dataclass(frozen=True, slots=True)
class Avoided:
    """A word that is not used; `names` are the identifiers a test looks for in the code."""

    word: str
    instead: str
    names: tuple[str, ...]


def read() -> tuple[list[Term], list[Avoided]]:
    """The table file."""
    document: dict[str, list[dict[str, Any]]] = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    terms = [
        Term(row["word"], one_line(row["means"]), row.get("found_as", row["word"]))
        for row in document["term"]
    ]
    avoided = [
        Avoided(row["word"], row["instead"], tuple(row.get("names", ())))
        for row in document["avoid"]
    ]
    return terms, avoided


def terms() -> str:
    """The words that are used, in alphabetical order."""
    listed = sorted(read()[0], key=lambda term: term.word.lower())
    return table(("term", "means"), [(f"**{term.word}**", term.means) for term in listed])


def avoided() -> str:
    """The words that are not used, and what is said instead."""
    return table(
        ("not", "but", "names in the code that are refused"),
        [(a.word, a.instead, ", ".join(map(code, a.names)) or "-") for a in read()[1]],
    )
