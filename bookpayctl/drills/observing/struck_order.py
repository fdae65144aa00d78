"""The order a fault struck in the middle of its charge: what Stripe and our books say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.judge.readers.stripe import StripeReader
from bookpayctl.report.money import shown_money
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import OrderStatus, PaymentState


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the order stands; `failed_steps` and `outcomes` count its whole history."""

    payment_state: str
    order_status: str
    failed_steps: int
    outcomes: int


@dataclass(frozen=True, slots=True)
class StruckOrder:
    """One order; `event_id` is the key its charge carries for ever."""

    context: DrillContext
    order_id: str
    event_id: str

    @property
    def _fix(self) -> str:
        return f"bookpayctl order trace {self.order_id}"

    def charged_once(self, *, requests_min: int) -> list[Item]:
        """One execution, one key, and the requests that prove the retry."""
        reader = StripeReader(self.context.environment)
        if not (reader.is_twin or reader.is_tapped):
            reason = "no requests are shown here: only the twin and a recording tap (`up --tap`) do"
            required = f"1 execution, >= {requests_min} requests"
            return [self.context.unanswered("same-key", "one charge, same key", required, reason)]
        requests = wait_until(
            lambda: list(reader.requests(key=self.event_id, method="POST")),
            lambda rows: len(rows) >= requests_min,
            deadline_seconds=self.context.deadline_seconds,
        ).value
        charges = reader.charges_of(self.event_id)
        return [self._same_key(requests, requests_min), self._charges(charges)]

    def paid_and_never_failed(self) -> list[Item]:
        """It ends paid, and was never called failed on the way."""
        seconds_max = self.context.deadline_seconds
        waited = wait_until(
            self._standing,
            lambda standing: standing.order_status == OrderStatus.PAID,
            deadline_seconds=seconds_max,
        )
        found = waited.value
        return [
            self.context.judged(
                "order-paid",
                "the order was paid",
                f"order {self.order_id} paid within {seconds_max:.0f} s",
                f"order {found.order_status}, payment {found.payment_state},"
                f" {waited.seconds:.1f} s after the worker was back",
                good=waited.reached,
                examined=1,
                fix=self._fix,
            ),
            self.context.judged(
                "never-failed",
                "it was never called failed",
                "no step of its payment to failed, at most 1 outcome event",
                f"{found.failed_steps} steps to failed, {found.outcomes} outcomes",
                good=found.failed_steps == 0 and found.outcomes <= 1,
                examined=1,
                fix=self._fix,
            ),
        ]

    def _same_key(self, requests: list[dict[str, Any]], needed: int) -> Item:
        title = "the same key was sent again" if needed > 1 else "the key was sent after the crash"
        required = f"at least {needed} requests with key {self.event_id}"
        if len(requests) < needed:
            reason = f"{len(requests)} requests: the payment was settled some other way"
            return self.context.unanswered("same-key", title, required, reason)
        replayed = sum(bool(row["replayed"]) for row in requests)
        return self.context.judged(
            "same-key",
            title,
            required,
            f"{len(requests)} requests, {replayed} replayed",
            good=True,
            examined=len(requests),
            evidence=[
                f"{row['request_id']} {row['status']}{' replayed' if row['replayed'] else ''}"
                for row in requests
            ],
        )

    def _charges(self, charges: list[dict[str, Any]]) -> Item:
        return self.context.judged(
            "charged-once",
            "the customer was charged once",
            f"exactly 1 charge at Stripe for order {self.order_id}",
            f"{len(charges)} charges",
            good=len(charges) == 1,
            examined=1,
            evidence=[
                f"{row['charge']} {shown_money(row['amount'], row['currency'])}" for row in charges
            ],
            fix=self._fix,
        )

    def _standing(self) -> Standing:
        with reading(self.context.environment.dsn) as conn:
            row = conn.execute(
                "SELECT p.state, o.status,"
                " (SELECT count(*) FROM payment_events e WHERE e.event_id = p.event_id"
                "   AND e.to_state = %(failed)s),"
                " (SELECT count(*) FROM payment_events e WHERE e.event_id = p.event_id"
                "   AND e.kind = 'outcome')"
                " FROM payments p JOIN orders o ON o.id = p.order_id"
                " WHERE p.event_id = %(event_id)s",
                {"failed": PaymentState.FAILED.value, "event_id": self.event_id},
            ).fetchone()
        return Standing(*row) if row else Standing("missing", "missing", 0, 0)
