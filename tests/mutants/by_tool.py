"""Try the sabotages by the tool's own commands, and print who finds which.

Each gets a stack of its own, made of a copy of the runtime; the same is first asked of a stack that
is right. This is how red controls are tried, and it is done by what tries those.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from bookpayctl.controls.catalogue import CONTROL_PREFIX
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.selftest.stacks import stack_items
from tests.mutants.front_door import front_door

_WORDS: Final = {Verdict.HOLDS: "found", Verdict.VIOLATED: "NOT FOUND"}


def try_by_tool(ids: Sequence[str], say: Callable[[str], None]) -> int:
    """Try them; 0 when every one is found, 1 when one is not, 3 when one could not be tried.

    Raises:
        KeyError: no command finds one that was named.
    """
    stacks = front_door(ids)
    items = []
    for item in stack_items(stacks, say):
        say(f"{item.id.removeprefix(CONTROL_PREFIX)}: {_outcome(item)}")
        items.append(item)
    by_id = {item.id.removeprefix(CONTROL_PREFIX): item for item in items}
    rows = ["| id | sabotage | command | outcome | what turned red | seconds |"]
    rows.append("|---|---|---|---|---|---|")
    for stack in stacks:
        item = by_id[stack.name]
        rows.append(
            f"| {stack.name} | {stack.wrong} | `bookpayctl {' '.join(stack.command)}` |"
            f" {_outcome(item)} | {item.reason or item.observed} | {item.duration_ms / 1000:.0f} |"
        )
    found = sum(item.verdict is Verdict.HOLDS for item in items)
    rows.append(f"{found} of {len(stacks)} found")
    sys.stdout.write("\n".join(rows) + "\n")
    if any(item.verdict is Verdict.VIOLATED for item in items):
        return 1
    return 0 if found == len(stacks) else 3


def _outcome(item: Item) -> str:
    return _WORDS.get(item.verdict, "UNKNOWN")
