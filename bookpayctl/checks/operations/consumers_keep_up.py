"""BP-O002: every consumer group reads on: what it is behind becomes less.

A lag is no fault by itself; one that does not shrink is. So there are two looks, and the second
waits for the first to be made good.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, cannot_tell, warned
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.lag import LagError, group_lags


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Look at every group's lag until none is what it was, or the deadline has passed."""
    servers = inquiry.environment.kafka
    try:
        before = group_lags(servers)
        after = wait_until(
            lambda: group_lags(servers),
            lambda now: not standing(before, now),
            deadline_seconds=inquiry.deadline_seconds,
        ).value
    except LagError as error:
        return cannot_tell(str(error), fix="bookpayctl status")
    return answer(before, after)


def standing(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """Groups that were behind and are not less so, in their order."""
    return [group for group, lag in after.items() if lag and lag >= before.get(group, 0)]


def answer(before: Mapping[str, int], after: Mapping[str, int]) -> CheckAnswer:
    """What the two looks say."""
    worries = [
        f"{group} is {after[group]} records behind and was {before.get(group, 0)}"
        for group in standing(before, after)
    ]
    evidence = [f"{group}: {before.get(group, 0)}, then {lag}" for group, lag in after.items()]
    seen = f"{len(after)} groups, {sum(after.values())} records behind in all"
    return warned(worries, seen, len(after), evidence)


CHECK: Final = Check(
    id="BP-O002",
    title="the consumers keep up",
    question="Does every consumer group read on, or has one stopped?",
    required="each group is behind by nothing, or by less at the second look",
    why="A consumer that stands still looks healthy and does nothing; events age until retention"
    " takes them.",
    fix="bookpayctl status; bookpayctl logs payments-worker",
    ask=ask,
    category=Category.OPERATIONS,
)
