"""Whether an answer is what a page expects; where it is not, both side by side. Pure."""

from __future__ import annotations

import fnmatch
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

from bookpayctl.runbook.expectation import (
    Expectation,
    JsonExpectation,
    LineExpectation,
    LineKind,
    value_at,
)
from bookpayctl.runbook.variables import filled

COLUMN_WIDTH: Final = 56
"""Of what was expected; beside it a terminal of 120 columns has as much of what was seen."""

ROWS_MAX: Final = 64
"""More than an audit's lines; of more, a first quarter and the end. All is in the transcript."""

_COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What a command said; `status` as a shell counts it: 128 and the number for a signal."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class PageComparison:
    """What came of it.

    Attributes:
        wrong: a sentence for each difference; empty when the answer is as expected.
        captured: the values that it gave to names.
        rows: expected and seen, side by side; made where something is wrong.
    """

    wrong: tuple[str, ...]
    captured: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[str, ...] = ()


def compare(
    expected: Expectation, answer: CommandAnswer, values: Mapping[str, str]
) -> PageComparison:
    """Compare an answer with all that was expected of it.

    Args:
        values: what stands for a $NAME of the expectation.
    """
    wrong: list[str] = []
    captured: dict[str, str] = {}
    if expected.status is not None and answer.status != expected.status:
        wrong.append(f"exit status {answer.status}, not {expected.status}")
    seen = [line.rstrip() for line in answer.stdout.splitlines()]
    if expected.lines and not _lines_match(expected.lines, seen, values, captured):
        wrong.append("the lines are not those expected")
    if expected.values:
        wrong += _wrong_values(expected.values, answer.stdout, values, captured)
    rows = side_by_side(expected, answer) if wrong else ()
    return PageComparison(tuple(wrong), captured, rows)


def _lines_match(
    expected: Sequence[LineExpectation],
    seen: Sequence[str],
    values: Mapping[str, str],
    captured: dict[str, str],
) -> bool:
    """Whether the lines fit, `...` taking as few of them as it can; what patterns name is kept."""
    tests = [_test_of(line, values) for line in expected]
    # fits[i][j]: the expected lines from i on fit those seen from j on. From the end, so that a
    # `...` that took too few lines is never the reason for a no.
    fits = [[False] * (len(seen) + 1) for _ in range(len(tests) + 1)]
    fits[-1][-1] = True
    for i in range(len(tests) - 1, -1, -1):
        for j in range(len(seen), -1, -1):
            test = tests[i]
            if test is None:
                fits[i][j] = fits[i + 1][j] or (j < len(seen) and fits[i][j + 1])
            else:
                fits[i][j] = j < len(seen) and fits[i + 1][j + 1] and test(seen[j]) is not None
    if not fits[0][0]:
        return False
    i = j = 0
    while i < len(tests):
        test = tests[i]
        if test is not None:
            captured.update(test(seen[j]) or {})
            i, j = i + 1, j + 1
        elif fits[i + 1][j]:
            i += 1
        else:
            j += 1
    return True


def _test_of(
    line: LineExpectation, values: Mapping[str, str]
) -> Callable[[str], dict[str, str] | None] | None:
    """What a line of output is asked: None for no, else what it captures. None for `...`."""
    if line.kind is LineKind.ANYTHING:
        return None
    if line.kind is LineKind.LITERAL:
        literal = filled(line.text, values).rstrip()
        return lambda seen: {} if seen == literal else None
    if line.kind is LineKind.GLOB:
        # A value may hold a star or a bracket, which is no pattern then.
        glob = fnmatch.translate(
            filled(line.text, values, lambda v: re.sub(r"([*?[])", r"[\1]", v))
        )
        return lambda seen: {} if re.match(glob, seen) else None
    pattern = re.compile(filled(line.text, values, re.escape))

    def captured(seen: str) -> dict[str, str] | None:
        found = pattern.fullmatch(seen)
        return None if found is None else {k: v for k, v in found.groupdict().items() if v}

    return captured


def _wrong_values(
    expected: Sequence[JsonExpectation],
    stdout: str,
    values: Mapping[str, str],
    captured: dict[str, str],
) -> list[str]:
    try:
        document = json.loads(stdout)
    except ValueError:
        return ["stdout is no JSON document"]
    wrong = []
    for one in expected:
        try:
            found = value_at(document, filled(one.path, values))
        except LookupError as error:
            if not one.optional:
                wrong.append(str(error.args[0]))
            continue
        if one.name:
            _capture(one, found, captured, wrong)
        elif not _holds(one, found, values):
            wrong.append(f"{one.path} is {json.dumps(found)}, not {one.operator} {one.value}")
    return wrong


def _capture(one: JsonExpectation, found: Any, captured: dict[str, str], wrong: list[str]) -> None:
    """Keep a value under its name; one that is nothing is as good as not there."""
    if found not in (None, ""):
        captured[one.name] = found if isinstance(found, str) else json.dumps(found)
    elif not one.optional:
        wrong.append(f"nothing at {one.path} that could be {one.name}")


def _holds(one: JsonExpectation, found: Any, values: Mapping[str, str]) -> bool:
    try:
        wanted = json.loads(filled(one.value, values))
        return _COMPARED[one.operator](found, wanted)
    except (ValueError, TypeError):
        # A $NAME that is no JSON, or a text that is asked whether it is greater than a number.
        return False


def side_by_side(expected: Expectation, answer: CommandAnswer) -> tuple[str, ...]:
    """Rows of what was expected and what was seen; stderr where stdout says nothing."""
    left = [*map(str, expected.lines), *map(str, expected.values)]
    left.append("(?)" if expected.status is None else f"[{expected.status}]")
    said = answer.stdout if answer.stdout.strip() else answer.stderr
    right = [*[line.rstrip() for line in said.splitlines()], f"[{answer.status}]"]
    rows = [f"{'expected':{COLUMN_WIDTH}} | seen"]
    for one, other in zip_longest(left, right, fillvalue=""):
        rows.append(f"{one[:COLUMN_WIDTH]:{COLUMN_WIDTH}} | {other}".rstrip())
    if len(rows) > ROWS_MAX:
        first, last = rows[: ROWS_MAX // 4], rows[1 + ROWS_MAX // 4 - ROWS_MAX :]
        rows = [*first, f"... {len(rows) - len(first) - len(last)} more rows", *last]
    return tuple(rows)
