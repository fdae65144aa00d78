"""The red controls, and the questions that have none."""

from __future__ import annotations

from bookpayctl.controls.catalogue import WITHOUT, WRONG_STACKS
from bookpayctl.controls.defects import defects, log_defects
from docs.generate.markdown import code, table


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
