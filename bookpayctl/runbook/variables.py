"""`$ORDER` in a command or an expectation: which names there are, and what stands for them. Pure.

Only names in capitals count, so that a pattern's `$` at its end, and a path's `$.`, stay theirs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Final

_NAME: Final = re.compile(r"\$([A-Z][A-Z0-9_]*)")
NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")

# Redirections, pipes and lists mean something to a shell alone.
_OF_A_SHELL: Final = frozenset("();<>|&")


class CommandError(ValueError):
    """A command cannot be typed without a shell; the message says why."""


def names_in(text: str) -> set[str]:
    """The names that a text uses."""
    return set(_NAME.findall(text))


def filled(text: str, values: Mapping[str, str], quoted: Callable[[str], str] = str) -> str:
    """The text with each known name's value in its place; others stay as they are."""

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        return quoted(values[name]) if name in values else found[0]

    return _NAME.sub(value_of, text)


def words_of(command: str, values: Mapping[str, str]) -> list[str]:
    """The words of a command without a shell.

    A value is put in after the line was split: whatever it holds, it is never more than one word.

    Raises:
        CommandError: it needs a shell, which its block must declare, or a quote is not closed.
    """
    reader = shlex.shlex(command, posix=False, punctuation_chars=True)
    reader.whitespace_split = True
    reader.commenters = ""
    try:
        if any(set(word) <= _OF_A_SHELL for word in reader):
            raise CommandError(f"{command!r} needs a shell; say `console shell` above it")
        words = shlex.split(command)
    except ValueError as error:
        if isinstance(error, CommandError):
            raise
        raise CommandError(f"{command!r}: {error}") from error
    return [filled(word, values) for word in words]
