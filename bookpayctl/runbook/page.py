"""A runbook as values: its front matter, its steps, and how its situation is rehearsed. Pure.

    ---
    alerts: [DeadLetters]
    rehearsed: a record that nobody can read is put into orders.placed
    ---

Above the console blocks stand words that say how their commands are run:
`on=local|kube`, `danger="what it does"`, `deadline=2m`, `within=30s` and `shell`. In a rehearsal
`afterwards` marks what is typed at its end, however it came to it.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from bookpayctl.runbook.console import ConsoleBlock, console_blocks, headings, typed_lines
from bookpayctl.runbook.expectation import Expectation, expectation
from bookpayctl.runbook.variables import names_in, words_of
from bookpayctl.targets.settings import parse_duration

SECTIONS: Final = ("Meaning", "Impact", "Diagnosis", "Mitigation", "Proof")
PROOF: Final = "Proof"
REHEARSAL: Final = "Rehearsal"
AFTERWARDS: Final = "afterwards"

DEADLINE_SECONDS: Final = 60.0
"""Of a command whose block says nothing: `status` and `check` of a sick stack take half of it."""

_MARK: Final = "---"
_FRONT_KEYS: Final = frozenset({"alerts", "rehearsed", "unrehearsed"})


class RunbookError(ValueError):
    """A page is no runbook; the message names it and its line."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    Attributes:
        number: counted from 1 through the page.
        section: its heading of the second level; empty for the first look above all of them.
        line: in the file, counted from 1.
        platform: `local` or `kube`, the only one it is for; empty: both.
        danger: what it does to others; such a step is asked about. Empty where it does nothing.
        deadline_seconds: when it is ended; each time it is typed.
        within_seconds: how long it is typed again until it answers as expected; 0: once.
    """

    number: int
    section: str
    line: int
    command: str
    expected: Expectation
    platform: str = ""
    danger: str = ""
    deadline_seconds: float = DEADLINE_SECONDS
    within_seconds: float = 0.0
    shell: bool = False

    @property
    def uses(self) -> set[str]:
        """The names it needs a value of before it can be typed."""
        expected = "\n".join([*map(str, self.expected.lines), *map(str, self.expected.values)])
        return (names_in(self.command) | names_in(expected)) - set(self.expected.captured)


@dataclass(frozen=True, slots=True)
class Runbook:
    """One page.

    Attributes:
        alerts: the names of the alerts that lead here.
        rehearsed: how its situation was caused on one machine; empty where it was not.
        unrehearsed: why it was not, or was not seen to end well; empty where it was.
        steps: in the page's order, without those that cause the situation.
        causes: the commands of the section Rehearsal that cause the situation.
        afterwards: those of it that take away what they had put there.
        sha256: of the page as it was read.
    """

    slug: str
    title: str
    alerts: tuple[str, ...]
    rehearsed: str
    unrehearsed: str
    sections: tuple[str, ...]
    steps: tuple[Step, ...]
    causes: tuple[Step, ...]
    afterwards: tuple[Step, ...]
    sha256: str

    @property
    def needs(self) -> set[str]:
        """The names that whoever runs it must give: used before any step captures them."""
        return needed_by(self.steps)


def needed_by(steps: tuple[Step, ...]) -> set[str]:
    """The names used by steps and captured by none before."""
    needed: set[str] = set()
    captured: set[str] = set()
    for step in steps:
        needed |= step.uses - captured
        captured |= set(step.expected.captured)
    return needed


def runbook(slug: str, text: str) -> Runbook:
    """Read a page.

    Raises:
        RunbookError: front matter, a block's words, a command or an expectation is wrong.
    """
    front, body, above = _front(slug, text)
    steps: list[Step] = []
    causes: list[Step] = []
    afterwards: list[Step] = []
    for block in console_blocks(body):
        into = causes if block.heading == REHEARSAL else steps
        if into is causes and AFTERWARDS in block.words.split():
            into = afterwards
        into.extend(_steps(slug, block, above, len(into)))
    titles = [line.removeprefix("# ") for line in body.splitlines() if line.startswith("# ")]
    if not titles:
        raise RunbookError(f"{slug}: no title, a line that begins with `# `")
    if bool(front.get("rehearsed")) == bool(front.get("unrehearsed")):
        raise RunbookError(f"{slug}: say either how it is `rehearsed` or why it is `unrehearsed`")
    return Runbook(
        slug=slug,
        title=titles[0],
        alerts=tuple(map(str, front.get("alerts", ()))),
        rehearsed=str(front.get("rehearsed", "")),
        unrehearsed=str(front.get("unrehearsed", "")),
        sections=tuple(headings(body)),
        steps=tuple(steps),
        causes=tuple(causes),
        afterwards=tuple(afterwards),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _front(slug: str, text: str) -> tuple[Mapping[str, Any], str, int]:
    """Front matter, the page below it, and how many lines stand above that."""
    lines = text.splitlines()
    if not lines or lines[0] != _MARK or _MARK not in lines[1:]:
        raise RunbookError(f"{slug}: no front matter between two lines `{_MARK}`")
    end = lines.index(_MARK, 1)
    try:
        found = yaml.safe_load("\n".join(lines[1:end])) or {}
    except yaml.YAMLError as error:
        raise RunbookError(f"{slug}: front matter is no YAML: {error}") from error
    if not isinstance(found, dict) or set(found) - _FRONT_KEYS:
        raise RunbookError(f"{slug}: front matter has other keys than {sorted(_FRONT_KEYS)}")
    return found, "\n".join(lines[end + 1 :]), end + 1


def _steps(slug: str, block: ConsoleBlock, above: int, before: int) -> list[Step]:
    where = f"{slug}, line {block.line + above}"
    try:
        how = _how(block.words, block.heading)
        found = [
            Step(
                number=before + number,
                section=block.heading,
                line=block.line + above + 1 + typed.line,
                command=typed.command,
                expected=expectation(typed.shown),
                **how,
            )
            for number, typed in enumerate(typed_lines(block.lines), start=1)
        ]
        for step in found:
            if not step.shell:
                words_of(step.command, {})
    except ValueError as error:
        raise RunbookError(f"{where}: {error}") from error
    if not found:
        raise RunbookError(f"{where}: a console block without a command")
    return found


def _how(words: str, heading: str) -> dict[str, Any]:
    how: dict[str, Any] = {}
    for word in shlex.split(words):
        name, _, value = word.partition("=")
        if name == "on" and value in ("local", "kube"):
            how["platform"] = value
        elif name == "danger" and value:
            how["danger"] = value
        elif name in ("deadline", "within"):
            how[f"{name}_seconds"] = parse_duration(value)
        elif word == "shell":
            how["shell"] = True
        elif word == AFTERWARDS and heading == REHEARSAL:
            # Which list it is in says so.
            continue
        else:
            raise RunbookError(f"{word!r} is not on=, danger=, deadline=, within= or shell")
    return how
