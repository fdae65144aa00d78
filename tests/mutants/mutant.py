"""A sabotage as data: what it breaks, which text it replaces, and which tests must notice.

Applying one is exact: every old text stands in its file once, or the mutant no longer means what
it says and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.controls import edit
from bookpayctl.controls.edit import Edit as Replacement
from bookpayctl.controls.edit import NotApplicableError

__all__ = ["Mutant", "NotApplicableError", "Replacement"]


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


def changed_texts(root: Path, mutant: Mutant) -> Mapping[str, str]:
    """The files a mutant changes, by name, as they would be.

    Raises:
        NotApplicableError: see there.
    """
    try:
        return edit.changed_texts(root, mutant.replacements)
    except NotApplicableError as error:
        raise NotApplicableError(f"{mutant.id}: {error}") from error


def apply(root: Path, mutant: Mutant) -> None:
    """Write the sabotage into the tree at `root`, which is a copy.

    Raises:
        NotApplicableError: nothing was written.
    """
    try:
        edit.apply(root, mutant.replacements)
    except NotApplicableError as error:
        raise NotApplicableError(f"{mutant.id}: {error}") from error
