"""A process that its failpoint froze, as others see it: mute at once, mute to the end, and back.

Its own record says that it acts; that it stood still is believed only of what asked it meanwhile.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from bookpayctl.faults.failpoint import Hit
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.readiness import ASK_SECONDS_MAX
from bookpayctl.targets.target import Target

# Longer than a lease of a local environment (15 s), than Kafka keeps a silent member of a group
# and PostgreSQL a silent transaction (10 s each): who wakes holds nothing of it any more.
FROZEN_SECONDS: Final = 20.0
MUTE_SECONDS_MAX: Final = 5.0
AWAKE_SECONDS_MAX: Final = 30.0


def watch_frozen(
    target: Target, hit: Hit, *, mute_seconds_max: float = MUTE_SECONDS_MAX
) -> list[str]:
    """Ask it until it is awake again; what was not as it must be of a frozen process."""

    def answers() -> bool:
        return target.ask(hit.process, "/healthz").status == 200

    mute = wait_until(lambda: not answers(), bool, deadline_seconds=mute_seconds_max)
    if not mute.reached:
        return [f"{hit.process} answered while it was frozen: nothing was tested"]
    # A question that is still open when it wakes is answered, and says nothing of its sleep.
    left = FROZEN_SECONDS - (datetime.now(UTC) - hit.at).total_seconds() - ASK_SECONDS_MAX
    if wait_until(answers, bool, deadline_seconds=max(left, 0.0)).reached:
        return [f"{hit.process} woke before its {FROZEN_SECONDS:g} s were over"]
    if not wait_until(answers, bool, deadline_seconds=AWAKE_SECONDS_MAX).reached:
        return [f"{hit.process} did not answer again"]
    return []
