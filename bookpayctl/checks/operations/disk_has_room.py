"""BP-O008: where this environment's evidence is kept there is room for more of it."""

from __future__ import annotations

import shutil
from typing import Final

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, warned

FREE_BYTES_MIN: Final = 1024**3
FREE_SHARE_MIN: Final = 0.02


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Ask for the free space beside the runs, which on one machine is the servers' as well."""
    usage = shutil.disk_usage(inquiry.environment.root)
    return answer(usage.free, usage.total, str(inquiry.environment.root))


def answer(free: int, total: int, place: str) -> CheckAnswer:
    """What so much room means."""
    seen = f"{free / 1024**3:.1f} GiB free, {100 * free / total:.0f} %"
    short = free < FREE_BYTES_MIN or free / total < FREE_SHARE_MIN
    return warned([seen] if short else [], seen, 1, (place,))


CHECK: Final = Check(
    id="BP-O008",
    title="the disk has room",
    question="Is there room for what is written next: ledgers of runs, and the servers' own here?",
    required=f"{FREE_BYTES_MIN // 1024**3} GiB and {100 * FREE_SHARE_MIN:.0f} % free",
    why="A run whose evidence cannot be written proves nothing, and a server without room stops.",
    fix="df -h; old runs lie in the environment's folder, under runs",
    ask=ask,
    category=Category.OPERATIONS,
)
