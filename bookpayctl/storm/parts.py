"""The faults that drills inject, made of what a schedule plans."""

from __future__ import annotations

from typing import Any, Final

from bookpayctl.faults.failpoint import FailpointFault
from bookpayctl.faults.fault import Fault
from bookpayctl.faults.process import ProcessAway, ProcessFrozen, ProcessKilled
from bookpayctl.faults.server_sessions import SessionsTerminated, sessions_of_services
from bookpayctl.faults.stripe import StripeFault, of_charges, webhooks_held
from bookpayctl.runs.directory import Run
from bookpayctl.storm import kinds
from bookpayctl.storm.kinds import ACTIONS
from bookpayctl.storm.schedule import PlannedFault
from bookpayctl.targets.target import Target

HALF: Final = 0.5
"""Of the charges, so that others meanwhile compete with those that are struck."""

# Longer than anybody waits for an answer.
SILENCE_SECONDS: Final = 60.0
SLOW_SECONDS: Final = 12.0
LATE_SECONDS: Final = 5
COPIES: Final = 3

DEFINITIONS: Final[dict[str, dict[str, Any]]] = {
    "stripe-answers-lost": of_charges("execute_then_timeout", share=HALF, seconds=SILENCE_SECONDS),
    "stripe-answers-cut": of_charges("execute_then_cut", share=HALF),
    "stripe-500": of_charges("execute_then_500", share=HALF),
    "stripe-429": of_charges("rate_limit", share=HALF),
    "stripe-slow": of_charges("slow", share=HALF, seconds=SLOW_SECONDS),
    "webhooks-lost": {"action": "webhook_drop"},
    "webhooks-late": webhooks_held(LATE_SECONDS),
    kinds.WEBHOOKS_TWICE: {"action": "webhook_duplicate", "numbers": {"copies": COPIES}},
    "webhooks-shuffled": {"action": "webhook_reorder"},
}


def parts_of(planned: PlannedFault, target: Target, run: Run, *, prefix: str) -> list[Fault]:
    """One fault for each thing that is struck; nothing is touched yet."""
    made = (target, run)
    seconds, kind = planned.for_seconds, planned.kind
    if kind in ACTIONS:
        action = ACTIONS[kind]
        return [FailpointFault(*made, prefix=prefix, point=planned.point, action=action)]
    if kind in DEFINITIONS:
        return [StripeFault(*made, prefix=prefix, definition=DEFINITIONS[kind])]
    if kind == kinds.SESSIONS_ENDED:
        return [
            SessionsTerminated(*made, prefix=prefix, victims=sessions_of_services, seconds=seconds)
        ]
    if kind in (kinds.SERVICE_AWAY, kinds.KAFKA_AWAY, kinds.TWIN_AWAY):
        return [
            ProcessAway(*made, prefix=prefix, process=name, seconds=seconds)
            for name in planned.targets
        ]
    if kind == kinds.PROCESS_FROZEN:
        return [
            ProcessFrozen(*made, prefix=prefix, process=name, seconds=seconds)
            for name in planned.targets
        ]
    return [ProcessKilled(*made, prefix=prefix, process=name) for name in planned.targets]
