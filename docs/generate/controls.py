"""The red controls, the questions that have none, and which command finds which sabotage."""

from __future__ import annotations

from bookpayctl.controls.catalogue import WITHOUT, WRONG_STACKS
from bookpayctl.controls.defects import defects, log_defects
from docs.generate.markdown import code, table
from tests.mutants.front_door import UNSEEN, front_door, sabotages_of_the_runtime


def controls() -> str:
    """Every control, who is asked, and what must be red."""
    stacks = [
        (
            code(stack.name),
            stack.wrong,
            code(f"bookpayctl {' '.join(stack.command)}"),
            ", ".join(red.question for red in stack.red),
            "",
        )
        for stack in WRONG_STACKS
    ]
    ledgers = [
        (
            code(defect.name),
            defect.wrong,
            asked,
            ", ".join(defect.red),
            ", ".join(defect.also),
        )
        for asked, found in (("its ledgers", defects()), ("a small log", log_defects()))
        for defect in found
    ]
    return table(("control", "what is wrong", "asked", "turns red", "with it"), [*stacks, *ledgers])


def uncertified() -> str:
    """Questions without a control, and why."""
    return table(("question", "why"), [(code(name), why) for name, why in WITHOUT.items()])


def by_command() -> str:
    """Every sabotage of the runtime that a command finds, and by what."""
    return table(
        ("sabotage", "what is wrong", "found by", "turns red", "exit"),
        [
            (
                stack.name,
                stack.wrong,
                code(f"bookpayctl {' '.join(stack.command)}"),
                ", ".join(red.question for red in stack.red),
                "1",
            )
            for stack in front_door()
        ],
    )


def by_no_command() -> str:
    """Those that none finds, and why."""
    wrong = {mutant.id: mutant.sabotage for mutant in sabotages_of_the_runtime()}
    return table(
        ("sabotage", "what is wrong", "why no command finds it"),
        [(name, wrong[name], why) for name, why in UNSEEN.items()],
    )
