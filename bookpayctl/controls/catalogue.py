"""All red controls, and which of them turns a question red."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Final

from bookpayctl.controls.control import WrongStack
from bookpayctl.controls.defects import defects, log_defects
from bookpayctl.controls.events_and_orders import WRONG_EVENTS_AND_ORDERS
from bookpayctl.controls.keys_and_signatures import WRONG_KEYS_AND_SIGNATURES
from bookpayctl.controls.links import WRONG_ON_LINKS
from bookpayctl.controls.replays import WRONG_REPLAYS
from bookpayctl.controls.servers import WRONG_ABOUT_SERVERS
from bookpayctl.controls.stripe_answers import WRONG_HEARERS_OF_NEWS, WRONG_READERS_OF_ANSWERS
from bookpayctl.controls.surroundings import WRONG_SURROUNDINGS
from bookpayctl.controls.webhooks import WRONG_RECEIVERS

WRONG_STACKS: Final[tuple[WrongStack, ...]] = (
    *WRONG_KEYS_AND_SIGNATURES,
    *WRONG_EVENTS_AND_ORDERS,
    *WRONG_RECEIVERS,
    *WRONG_READERS_OF_ANSWERS,
    *WRONG_HEARERS_OF_NEWS,
    *WRONG_REPLAYS,
    *WRONG_ABOUT_SERVERS,
    *WRONG_ON_LINKS,
    *WRONG_SURROUNDINGS,
)

CONTROL_PREFIX: Final = "control/"
"""How the id of an answer begins that tells what a control showed."""

RUNBOOK_PREFIX: Final = "runbook/"
"""How the id of a runbook's step begins: what it asks is asked by the page, not by us."""

WITHOUT: Final = {
    "BP-O008": "no disk can be made small without rights, or filled without harm to others on it",
    "expired-idempotency-key": "what sends old keys again never asks Stripe, so no proof is had",
    "half-open-connection": "workers that waited without end took payments all the same",
    "W43": "not sent by `webhook forge`: `drill run outage --at postgres` takes the database away",
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

    An item of a drill is the drill's: what a control turns red is the drill as a whole. So are the
    customers of `demo`, and what `replay` says of what it sent.
    """
    return _by_question().get(question.partition("/")[0], ())


@cache
def _by_question() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for stack in WRONG_STACKS:
        ids = [red.subject for red in stack.red]
        for question in dict.fromkeys([*ids, *filter(None, [drill_of(stack)])]):
            found.setdefault(question, []).append(stack.name)
    for defect in (*defects(), *log_defects()):
        for question in defect.red:
            found.setdefault(question, []).append(defect.name)
    return {question: tuple(names) for question, names in found.items()}
