"""What a red control is: something wrong on purpose, and the questions that must say so. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bookpayctl.controls.edit import Edit

RED: Final = frozenset({"violated", "warning"})
"""A warning is what a question of what may go wrong tomorrow has to say."""

UNSETTLED: Final = frozenset({"unknown"})
"""How a question says no that is asked before all others: whether they can be answered at all."""


@dataclass(frozen=True, slots=True)
class LedgerDefect:
    """One thing that is wrong in ledgers that agree otherwise.

    Attributes:
        wrong: what it is, in a sentence without an end.
        red: ids of the questions that it is made for.
        also: ids of those that cannot but see it, too.
        statement: SQL on the tables of the judge's schema, or of a replay's.
    """

    name: str
    wrong: str
    red: tuple[str, ...]
    also: tuple[str, ...]
    statement: str


@dataclass(frozen=True, slots=True)
class RedAnswer:
    """An answer that must not be good, and a word of it by which it is red for the right reason.

    Attributes:
        verdicts: one of which it must have.
    """

    question: str
    says: str
    verdicts: frozenset[str] = RED

    @property
    def subject(self) -> str:
        """Whose answer it is: a question with an id of its own, or the command of an item."""
        return self.question.partition("/")[0]


@dataclass(frozen=True, slots=True)
class WrongStack:
    """A stack that is wrong in one way, and the command that has to find out.

    Attributes:
        wrong: what it does, in a sentence without an end.
        command: what is asked, without the program's name, e.g. `check --only BP-C003`.
        red: which of its answers must be red.
        edits: of the runtime, as they stand in the copy that it runs; none for a runtime that is
            right and of which only the surroundings are not.
        before: commands that are run before, so that there is something to see.
        sql: statements in its database, after those commands.
        topic_settings: topic -> setting -> value.
        aged_files: files of its environment, by their paths in it, that are dated two years back.
    """

    name: str
    wrong: str
    command: tuple[str, ...]
    red: tuple[RedAnswer, ...]
    edits: tuple[Edit, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    sql: tuple[str, ...] = ()
    topic_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    aged_files: tuple[str, ...] = ()
