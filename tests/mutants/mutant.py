"""A sabotage as data: what it breaks, which text it replaces, and which tests must notice.

Applying one is exact: every old text stands in its file once, or the mutant no longer means what
it says and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final


def integration(module: str, test: str) -> str:
    """The node id of a test that needs servers."""
    return f"tests/integration/{module}.py::{test}"


def unit(module: str, test: str) -> str:
    """The node id of a test that needs none."""
    return f"tests/unit/{module}.py::{test}"


HAPPY_PATH: Final = (
    integration("orders/test_order_to_money", "test_an_order_is_charged_once_and_paid"),
)
"""Must stay green under a sabotage of the runtime: the stack starts, and an order is paid."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """One exact change of one file; `file` is relative to the repository."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One sabotage.

    Attributes:
        sabotage: what it does to the guarantee, in one sentence.
        caught_by: pytest node ids, the fewest that must turn red.
        smoke: pytest node ids that must stay green, so that red means the guarantee and not a
            program that does not run.
    """

    id: str
    sabotage: str
    replacements: tuple[Replacement, ...]
    caught_by: tuple[str, ...]
    smoke: tuple[str, ...] = HAPPY_PATH

    @property
    def starts_nothing(self) -> bool:
        """Whether the tests that catch it start no server."""
        return all(node.startswith("tests/unit/") for node in self.caught_by)


class NotApplicableError(Exception):
    """The text to replace is not there exactly once, or what came of it does not compile."""


def changed_texts(root: Path, mutant: Mutant) -> Mapping[str, str]:
    """The files a mutant changes, by name, as they would be.

    Raises:
        NotApplicableError: see there.
    """
    texts: dict[str, str] = {}
    for change in mutant.replacements:
        path = root / change.file
        if not path.is_file():
            raise NotApplicableError(f"{mutant.id}: {change.file} is not there")
        text = texts.get(change.file) or path.read_text()
        found = text.count(change.old)
        if found != 1:
            line = change.old.strip().splitlines()[0]
            raise NotApplicableError(f"{mutant.id}: {change.file} has {line!r} {found} times")
        texts[change.file] = text.replace(change.old, change.new)
    for name, text in texts.items():
        if name.endswith(".py"):
            try:
                compile(text, name, "exec")
            except SyntaxError as error:
                raise NotApplicableError(
                    f"{mutant.id}: {name} does not compile: {error}"
                ) from error
    return texts


def apply(root: Path, mutant: Mutant) -> None:
    """Write the sabotage into the tree at `root`, which is a copy.

    Raises:
        NotApplicableError: nothing was written.
    """
    for name, text in changed_texts(root, mutant).items():
        path = root / name
        path.write_text(text)
        # A compiled file is recognised by second and size; a quick edit can keep both.
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()
