"""Every command that the tool advises can be typed: fixes, hints, refusals and their like.

Whatever a module says in backticks, or in a text that begins with the program's name, is taken for
a command; a value that is put in stands for one word.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bookpayctl.cli import errors
from bookpayctl.cli.app import build_command
from tests.support.command_tree import command_words, not_typed

PACKAGE = Path(errors.__file__).parents[1]
PROGRAM = "bookpayctl "
QUOTED = re.compile(r"`(bookpayctl [^`]+)`")
# `fix: …` and `next: …`, and several commands one after another.
LEADS = re.compile(r"^(?:fix|next|again|see)?:? *(?=bookpayctl )")
# A value that is glued to a word is more options, or none.
GLUED = re.compile(r"(?<=[a-z])VALUE")
# Sentences that begin with the program's name.
PROSE = {"is", "and", "made"}
SPLIT = re.compile(r"[;\n]|, (?=bookpayctl |or |then )|: (?=bookpayctl )|\. | +&& +")


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text of a module as a reader sees it."""
    within = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "VALUE"
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and id(node) not in within:
            yield node.value if isinstance(node.value, str) else ""


def advised(text: str) -> list[str]:
    """The commands in a text."""
    text = GLUED.sub(" VALUE", text)
    found = QUOTED.findall(text)
    outside = QUOTED.sub("", text)
    found += [part for piece in SPLIT.split(outside) if (part := LEADS.sub("", piece.strip()))]
    return [command for command in found if command.startswith(PROGRAM)]


def commands() -> dict[tuple[str, str], str | None]:
    """Each advised command with its module -> why it cannot be typed; None where it can."""
    group = build_command()
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            for command in advised(text):
                words = [word.rstrip(",:") for word in command_words(command)]
                if len(words) > 1 and words[1] not in PROSE:
                    place = (str(path.relative_to(PACKAGE)), command)
                    found[place] = not_typed(group, words[1:])
    return found


def test_every_command_that_is_advised_exists_with_its_options() -> None:
    found = commands()

    wrong = {place: why for place, why in found.items() if why is not None}

    assert len(found) > 100, "too few were found for this to mean anything"
    assert wrong == {}


def test_what_does_not_exist_is_found() -> None:
    group = build_command()
    told = "see `bookpayctl refund list --failed`; next: bookpayctl chaos begin"

    reasons = [not_typed(group, command_words(one)[1:]) for one in advised(told)]

    assert reasons == ["no option --failed", "there is no 'chaos'"]
