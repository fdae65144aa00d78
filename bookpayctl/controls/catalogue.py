"""All red controls, and which of them turns a question red."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Final

from bookpayctl.controls.control import WrongStack
from bookpayctl.controls.defects import defects
from bookpayctl.controls.events_and_orders import WRONG_EVENTS_AND_ORDERS
from bookpayctl.controls.keys_and_signatures import WRONG_KEYS_AND_SIGNATURES
from bookpayctl.controls.links import WRONG_ON_LINKS
from bookpayctl.controls.surroundings import WRONG_SURROUNDINGS
from bookpayctl.controls.webhooks import WRONG_RECEIVERS

WRONG_STACKS: Final[tuple[WrongStack, ...]] = (
    *WRONG_KEYS_AND_SIGNATURES,
    *WRONG_EVENTS_AND_ORDERS,
    *WRONG_RECEIVERS,
    *WRONG_ON_LINKS,
    *WRONG_SURROUNDINGS,
)

CONTROL_PREFIX: Final = "control/"
"""How the id of an answer begins that tells what a control showed."""

WITHOUT: Final = {
    "BP-O007": "no clock of a server can be put wrong without rights on its machine",
    "BP-O008": "no disk can be filled without harm to others on it",
    "pod-delete": "runs in a cluster alone, where no wrong runtime is brought up beside it",
    "pod-ghost": "runs in a cluster alone, where no wrong runtime is brought up beside it",
    "node-drain": "runs in a cluster alone, where no wrong runtime is brought up beside it",
    "rollout": "runs in a cluster alone, where no wrong runtime is brought up beside it",
    "postgres-failover": "runs in a cluster alone, where no wrong runtime is brought up beside it",
}
"""Questions without a control, and why: they are uncertified, and reports say so."""


def controls_asking(command: str, questions: Collection[str]) -> list[WrongStack]:
    """The wrong stacks that a command asks about any of these questions."""
    return [
        control
        for control in WRONG_STACKS
        if control.command[0] == command and any(red.subject in questions for red in control.red)
    ]


def controls_of_drill(slug: str) -> list[WrongStack]:
    """The wrong stacks that a drill is run on."""
    return [control for control in WRONG_STACKS if drill_of(control) == slug]


def drill_of(control: WrongStack) -> str | None:
    """The drill that a control is asked by; None where it is no drill."""
    return control.command[2] if control.command[:2] == ("drill", "run") else None


def why_uncertified(question: str) -> str:
    """Why a question has no control, as reports and `explain` say it."""
    return f"uncertified: {WITHOUT.get(question, 'no control turns it red')}"


def controls_of(question: str) -> tuple[str, ...]:
    """Names of the controls that turn a question red: an item's id, or a drill's slug.

    An item of a drill is the drill's: what a control turns red is the drill as a whole.
    """
    return _by_question().get(question.partition("/")[0], ())


@cache
def _by_question() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for stack in WRONG_STACKS:
        ids = [red.subject for red in stack.red]
        for question in dict.fromkeys([*ids, *filter(None, [drill_of(stack)])]):
            found.setdefault(question, []).append(stack.name)
    for defect in defects():
        for question in defect.red:
            found.setdefault(question, []).append(defect.name)
    return {question: tuple(names) for question, names in found.items()}
