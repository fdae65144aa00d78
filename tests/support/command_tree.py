"""Every command there is, as the parser knows it, with words that it can be called with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator
from typing import Any, Final

from bookpayctl.cli.app import build_command

# What stands for an argument, by the name that the help has for it.
WORDS: Final = {
    "ACTION": "saved_500",
    "DRILL": "outage",
    "DURATION": "1s",
    "EVENT": "payment_intent.succeeded",
    "FILE": "outcomes.csv",
    "ID": "1",
    "ORDER": "ord_1",
    "PI": "pi_1",
    "RUN": "nobody",
    "SLUG": "dead-letters",
}
# Options without which a command does nothing, or waits longer than a test should.
NEEDED: Final = {
    "check": ("--timeout", "1s"),
    "replay": ("--timeout", "1s"),
    "audit": ("--timeout", "1s"),
    "dlq redrive": ("--all",),
    "webhook forge": ("--case", "W01"),
    "load": ("--duration", "1s", "--settle", "1s"),
    "runs prune": ("--keep", "1"),
    "simulate": ("--seeds", "1", "--orders", "2"),
}


# Options that a command line has everywhere.
COMMON: Final = {"--help", "-h", "--version"}


def leaves(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each command that does something, with its whole name."""
    command = command or build_command()
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
        return
    for name, child in inner.items():
        yield from leaves(child, (*path, name))


def formats(command: Any) -> list[str]:
    """The formats of its -o that a program reads; none when it has no such option."""
    for parameter in command.params:
        if "--output" in parameter.opts:
            kinds = parameter.type_descriptor.annotation
            return [kind.value for kind in kinds if kind.value in ("json", "junit")]
    return []


def typed(name: str, command: Any) -> list[str]:
    """Words that make a complete call of it."""
    words = [*name.split(), *NEEDED.get(name, ())]
    for parameter in command.params:
        if parameter.param_type_name == "argument" and parameter.required:
            shown = parameter.metavar or parameter.name
            words.append(WORDS[re.sub(r"\W", "", shown).upper()])
    return words


def asking_for_a_document(
    *, but: Collection[str] = (), more: tuple[str, ...] = (), every_format: bool = False
) -> Iterator[list[str]]:
    """Every command that has a document, typed for JSON or for each of its formats."""
    for name, command in leaves():
        if name not in but:
            for output in formats(command)[: None if every_format else 1]:
                yield [*typed(name, command), *more, "-o", output]


def command_words(command: str) -> list[str]:
    """The words of a command line, without the folder of its program; a pipe's first part only."""
    first = re.split(r" [|;&>] ?", command)[0]
    try:
        words = shlex.split(first)
    except ValueError:
        return []
    return [words[0].removeprefix(".venv/bin/"), *words[1:]] if words else []


def not_typed(command: Any, words: list[str]) -> str | None:
    """Why these words cannot be typed after the command; None when they can."""
    rest = list(words)
    while rest and hasattr(command, "commands"):
        name = rest.pop(0)
        if name.startswith("-") or name in ("|", "..."):
            return None
        if name not in command.commands:
            # An alternative, such as `list|show`, or a word that stands for a name.
            names = re.split(r"[|,]", name)
            if name.isupper() or all(part in command.commands for part in names):
                return None
            return f"there is no {name!r}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    known |= {option for parameter in command.params for option in parameter.secondary_opts}
    unknown = [
        w for w in rest if re.match(r"--?[a-z]", w) and w.split("=")[0] not in known | COMMON
    ]
    return f"no option {', '.join(unknown)}" if unknown else None
