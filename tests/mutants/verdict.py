"""From what tests said under a sabotage to whether it was caught; pure.

A red test is a catch only if the program still runs: the happy path is green, every named test
gave an answer, and nothing died of a name that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# What a sabotage that was written badly dies of; it proves nothing about the guarantee.
MISTAKES: Final = re.compile(
    r"\b(NameError|UnboundLocalError|AttributeError|TypeError|ImportError|ModuleNotFoundError"
    r"|SyntaxError|IndentationError)\b"
)

PARAMETERS_SHOWN_MAX: Final = 40

_ASSERTION: Final = re.compile(r"AssertionError|assert |Failed: DID NOT RAISE")


class Verdict(StrEnum):
    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    NOT_APPLIED = "NOT APPLIED"
    BROKEN = "BROKEN"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test's end.

    Attributes:
        passed: False also for a skipped test: it examined nothing.
        message: the first line of what went wrong.
        in_fixture: it failed before or after the test itself.
    """

    passed: bool
    message: str = ""
    in_fixture: bool = False

    __test__ = False

    @property
    def how(self) -> str:
        """Assertion, or the error's first words."""
        if _ASSERTION.match(self.message):
            return "assertion"
        return self.message.split(":", maxsplit=1)[0][:40] or "error"


Results = Mapping[str, TestResult]
"""By node id, with its parameters."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a trial came to; `detail` says by which test, or why not."""

    verdict: Verdict
    detail: str


def of_node(results: Results, node: str) -> list[tuple[str, TestResult]]:
    """The results of a node id, which without parameters stands for all of them."""
    return [
        (name, result)
        for name, result in results.items()
        if name == node or name.startswith(f"{node}[")
    ]


def judge(
    results: Results, *, caught_by: Sequence[str], smoke: Sequence[str], mistakes: Sequence[str]
) -> Finding:
    """Judge one sabotage.

    Args:
        mistakes: lines of the services' logs that tell of a name that is not there.
    """
    for node in (*smoke, *caught_by):
        if not of_node(results, node):
            return Finding(Verdict.BROKEN, f"no result of {node}")
    for node in smoke:
        for name, result in of_node(results, node):
            if not result.passed:
                return Finding(Verdict.BROKEN, f"{_short(name)} is red: {result.message[:100]}")
    if mistakes:
        return Finding(Verdict.BROKEN, f"a service broke: {mistakes[0][:120]}")
    red = [
        (name, result)
        for node in caught_by
        for name, result in of_node(results, node)
        if not result.passed
    ]
    for name, result in red:
        if result.in_fixture or not result.message:
            return Finding(Verdict.BROKEN, f"{_short(name)} did not run: {result.message[:100]}")
        if MISTAKES.match(result.message):
            return Finding(Verdict.BROKEN, f"{_short(name)}: {result.message[:100]}")
    if not red:
        return Finding(Verdict.SURVIVED, ", ".join(_short(node) for node in caught_by))
    return Finding(Verdict.CAUGHT, "; ".join(f"{_short(n)} ({r.how})" for n, r in red[:2]))


def _short(node: str) -> str:
    """A node id without its folders, and with no more of its parameters than tells them apart."""
    name, bracket, parameters = node.partition("[")
    if len(parameters) > PARAMETERS_SHOWN_MAX:
        parameters = f"{parameters[:PARAMETERS_SHOWN_MAX]}...]"
    return name.rsplit("/", maxsplit=1)[-1] + bracket + parameters
