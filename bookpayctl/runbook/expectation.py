"""What a page expects of an answer, as values: literal lines, patterns, JSON, an exit status.

Pure. The endings of lines are those of cram and scrut: `(glob)`, `(re)`, `[N]` for an exit status
and `(?)` for any; a line `...` stands for any number of lines. `(json)` is ours: a path into the
document on stdout, what it must be, or the name under which it is kept.

Source:
    cram, README, "Test format"; scrut, docs, "Expectations".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class ExpectationError(ValueError):
    """A line of a page is no expectation; the message quotes it."""


class LineKind(StrEnum):
    """How a line of output is compared."""

    LITERAL = "literal"
    GLOB = "glob"
    REGEX = "re"
    ANYTHING = "..."


@dataclass(frozen=True, slots=True)
class LineExpectation:
    """One line of output; `text` is without its ending."""

    kind: LineKind
    text: str

    def __str__(self) -> str:
        ending = f" ({self.kind.value})" if self.kind in _ENDINGS else ""
        return f"{self.text}{ending}"


@dataclass(frozen=True, slots=True)
class JsonExpectation:
    """One value of the document on stdout.

    Attributes:
        path: e.g. `.dead_letters[0].order_id`; `[field=text]` takes the first that has it.
        operator: `==`, `!=`, `>=`, `<=`, `>`, `<`, or `as`, which keeps the value under `name`.
        value: what it is compared with; JSON, in which a $NAME may stand.
        optional: with `as`: nothing need be there; steps that use the name are skipped then.
    """

    path: str
    operator: str
    value: str = ""
    name: str = ""
    optional: bool = False

    def __str__(self) -> str:
        target = f"{self.name}{'?' if self.optional else ''}" if self.name else self.value
        return f"{self.path} {self.operator} {target} (json)"


@dataclass(frozen=True, slots=True)
class Expectation:
    """All that a page shows below one command.

    Attributes:
        status: the exit status; None where any will do.
        is_shown: whether the page shows anything at all below the command.
    """

    lines: tuple[LineExpectation, ...] = ()
    values: tuple[JsonExpectation, ...] = ()
    status: int | None = 0
    is_shown: bool = False

    @property
    def captured(self) -> dict[str, bool]:
        """The names that an answer gives a value; true where it need not."""
        of_values = {value.name: value.optional for value in self.values if value.name}
        patterns = [re.compile(line.text) for line in self.lines if line.kind is LineKind.REGEX]
        return {**{name: False for one in patterns for name in one.groupindex}, **of_values}


_ENDINGS: Final = (LineKind.GLOB, LineKind.REGEX)
_ANY_STATUS: Final = "(?)"
_STATUS: Final = re.compile(r"\[(\d{1,3})\]")
_JSON: Final = re.compile(
    r"(?P<path>\S+) (?:as (?P<name>[A-Z][A-Z0-9_]*)(?P<optional>\??)"
    r"|(?P<operator>==|!=|>=|<=|>|<) (?P<value>.+)) \(json\)"
)
_PATH: Final = re.compile(r"(?:\.\w+|\[-?\d+\]|\[\w+=[^\]]+\])+")
_STEP: Final = re.compile(r"\.(\w+)|\[(-?\d+)\]|\[(\w+)=([^\]]+)\]")


def expectation(shown: tuple[str, ...]) -> Expectation:
    """What the lines below a command expect.

    Raises:
        ExpectationError: a pattern, a path or the place of a status is wrong.
    """
    texts = [line.rstrip() for line in shown]
    while texts and not texts[-1]:
        texts.pop()
    status: int | None = 0
    is_shown = bool(texts)
    if texts and texts[-1] == _ANY_STATUS:
        status = None
        texts.pop()
    elif texts and (found := _STATUS.fullmatch(texts[-1])):
        status = int(found[1])
        texts.pop()
    values = tuple(_value(text) for text in texts if text.endswith("(json)"))
    lines = tuple(_line(text) for text in texts if not text.endswith("(json)"))
    return Expectation(lines, values, status, is_shown)


def _line(text: str) -> LineExpectation:
    if text == LineKind.ANYTHING.value:
        return LineExpectation(LineKind.ANYTHING, text)
    for kind in _ENDINGS:
        ending = f" ({kind.value})"
        if text.endswith(ending):
            expected = LineExpectation(kind, text.removesuffix(ending))
            _see_that_it_compiles(expected)
            return expected
    return LineExpectation(LineKind.LITERAL, text)


def _see_that_it_compiles(expected: LineExpectation) -> None:
    if expected.kind is LineKind.REGEX:
        try:
            re.compile(expected.text)
        except re.error as error:
            raise ExpectationError(f"{str(expected)!r} is no pattern: {error}") from error


def _value(text: str) -> JsonExpectation:
    found = _JSON.fullmatch(text)
    if found is None or not _PATH.fullmatch(found["path"]):
        raise ExpectationError(f"{text!r} is neither `PATH OPERATOR VALUE (json)` nor `PATH as N`")
    if found["name"]:
        return JsonExpectation(
            found["path"], "as", name=found["name"], optional=bool(found["optional"])
        )
    if "$" not in found["value"]:
        try:
            json.loads(found["value"])
        except ValueError as error:
            raise ExpectationError(f"{text!r} compares with no JSON: {error}") from error
    return JsonExpectation(found["path"], found["operator"], found["value"])


def value_at(document: Any, path: str) -> Any:
    """What stands at a path.

    Raises:
        LookupError: nothing does; the message names the first step that led nowhere.
    """
    found = document
    for step in _STEP.finditer(path):
        field, number, name, text = step.groups()
        try:
            if field is not None:
                found = found[field]
            elif number is not None:
                found = found[int(number)]
            else:
                found = next(one for one in found if str(one[name]) == text)
        except (LookupError, TypeError, StopIteration) as error:
            raise LookupError(f"nothing at {path[: step.end()]}") from error
    return found
