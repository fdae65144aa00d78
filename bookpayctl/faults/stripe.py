"""A fault of Stripe: the twin is told to misbehave. A sandbox cannot be told."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from bookpayctl.clients.stripe_twin import TwinControl, TwinError
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.target import Target


class StripeFault(Fault):
    """One fault of the twin, armed as it is defined."""

    def __init__(
        self, target: Target, run: Run, *, prefix: str, definition: Mapping[str, Any]
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.definition = definition
        self._fault_id: str | None = None

    def plan_undo(self) -> None:
        """Everything the twin does wrong already was somebody else's wish and stays."""
        self._plan(undo.CLEAR_STRIPE_FAULTS, keep=",".join(self._twin.fault_ids()))

    def inject(self) -> None:
        try:
            self._fault_id = self._twin.add_fault(self.definition)
        except TwinError as error:
            raise FaultError(str(error)) from error

    def hits(self) -> list[dict[str, Any]]:
        """What it has struck so far, oldest first, by the twin's own record.

        Raises:
            TwinError: the twin does not answer.
        """
        return [] if self._fault_id is None else self._twin.fault_hits(self._fault_id)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        title, required = "Stripe misbehaved", "at least 1 hit in the twin's ledger"
        action = self.definition["action"]
        hits = wait_until(self.hits, bool, deadline_seconds=deadline_seconds).value
        if not hits:
            reason = f"no hit of {action} in {deadline_seconds:.0f} s, so nothing was tested"
            return [self._unproven("stripe-fault-hit", title, required, reason)]
        observed = f"{action} hit {len(hits)} times"
        return [self._proven("stripe-fault-hit", title, required, observed, len(hits))]

    @cached_property
    def _twin(self) -> TwinControl:
        """One client for all looks: a hit is looked for many times a second."""
        url = self.target.environment.stripe_control_url
        if url is None:
            raise FaultError("only the Stripe twin can be told to misbehave; this is not it")
        return TwinControl(url)


def webhooks_held(seconds: int) -> dict[str, Any]:
    """The definition of a fault that lets webhooks about payments come late by so much."""
    return {
        "action": "webhook_delay",
        "match": {"event_type": "payment_intent.*"},
        "numbers": {"seconds": seconds},
    }


def slow_charges(seconds: float) -> dict[str, Any]:
    """The definition of a fault that lets every answer to a new PaymentIntent take so long."""
    return {
        "action": "latency",
        "match": {"method": "POST", "path": "/v1/payment_intents"},
        "numbers": {"milliseconds": seconds * 1000},
    }
