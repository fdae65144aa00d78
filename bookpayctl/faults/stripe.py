"""A fault of Stripe: the twin is told to misbehave. A sandbox cannot be told."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from bookpayctl.clients.stripe_twin import TwinControl, TwinError
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.target import Target

SEED: Final = 7
"""Of what a share is drawn from: the eighth request is struck, whether of a hundred or of ten."""


class StripeFault(Fault):
    """One fault of the twin, armed as it is defined."""

    def __init__(
        self,
        target: Target,
        run: Run,
        *,
        prefix: str,
        definition: Mapping[str, Any],
        proof: str = "stripe-fault-hit",
    ) -> None:
        """`proof` names its item, where a drill has several of them."""
        super().__init__(target, run, prefix=prefix)
        self.definition = definition
        self._proof = proof
        self._fault_id: str | None = None

    def plan_undo(self) -> None:
        """Everything the twin does wrong already was somebody else's wish and stays."""
        self._plan(undo.CLEAR_STRIPE_FAULTS, keep=",".join(self._twin.fault_ids()))

    def inject(self) -> None:
        try:
            self._fault_id = self._twin.add_fault(self.definition)
        except TwinError as error:
            raise FaultError(str(error)) from error

    def end(self) -> None:
        """End this one alone; its promise stays, and what it finds is nothing.

        Raises:
            TwinError: the twin does not answer.
        """
        if self._fault_id is not None and self._fault_id in self._twin.fault_ids():
            self._twin.clear_fault(self._fault_id)

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
            return [self._unproven(self._proof, title, required, reason)]
        observed = f"{action} hit {len(hits)} times"
        return [self._proven(self._proof, title, required, observed, len(hits))]

    @cached_property
    def _twin(self) -> TwinControl:
        """One client for all looks: a hit is looked for many times a second."""
        url = self.target.environment.stripe_control_url
        if url is None:
            raise FaultError("only the Stripe twin can be told to misbehave; this is not it")
        return TwinControl(url)


def why_stripe_cannot_err(target: Target) -> str | None:
    """Why Stripe cannot be told to misbehave here; None where it is the twin."""
    environment = target.environment
    if environment.stripe_control_url is not None:
        return None
    return (
        f"only the Stripe twin can be told to misbehave, and environment {environment.name!r} uses"
        f" {environment.stripe_name}"
    )


def of_charges(action: str, *, share: float = 1.0, **numbers: float) -> dict[str, Any]:
    """The definition of a fault of new PaymentIntents: of all of them, or of a share."""
    return _of_posts("/v1/payment_intents", action, share, numbers)


def of_refunds(action: str, **numbers: float) -> dict[str, Any]:
    """The definition of a fault of all new refunds."""
    return _of_posts("/v1/refunds", action, 1.0, numbers)


def _of_posts(path: str, action: str, share: float, numbers: Mapping[str, float]) -> dict[str, Any]:
    return {
        "action": action,
        "match": {"method": "POST", "path": path},
        "probability": share,
        "seed": SEED,
        "numbers": dict(numbers),
    }


def webhooks_held(seconds: int, *, of: str = "payment_intent.*") -> dict[str, Any]:
    """The definition of a fault that lets webhooks of some types come late by so much."""
    return {
        "action": "webhook_delay",
        "match": {"event_type": of},
        "numbers": {"seconds": seconds},
    }


def slow_charges(seconds: float) -> dict[str, Any]:
    """The definition of a fault that lets every answer to a new PaymentIntent take so long."""
    return of_charges("latency", milliseconds=seconds * 1000)
