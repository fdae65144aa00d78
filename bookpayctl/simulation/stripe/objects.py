"""PaymentIntents, refunds and events as this Stripe keeps them, and as it shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runtime.domain.money import Money, read_money
from runtime.domain.names import PaymentIntentId, StripeEventId
from runtime.domain.stripe_event import Kind, StripeEvent

ENVIRONMENT = "simulated"


@dataclass(slots=True)
class SimulatedCharge:
    charge_id: str
    status: str
    amount: int
    created_at: float


@dataclass(slots=True)
class Intent:
    """A PaymentIntent; `key` is of the request that moved it last."""

    intent_id: str
    status: str
    money: Money
    metadata: dict[str, str]
    created_at: float
    key: str | None
    error_code: str | None = None
    charges: list[SimulatedCharge] = field(default_factory=list)

    @property
    def received(self) -> int:
        return self.money.amount_cents if self.status == "succeeded" else 0

    def document(self) -> dict[str, Any]:
        """As an answer shows it."""
        error = {"code": self.error_code} if self.error_code else None
        return {
            "object": "payment_intent",
            "id": self.intent_id,
            "status": self.status,
            "amount": self.money.amount_cents,
            "currency": self.money.currency,
            "amount_received": self.received,
            "last_payment_error": error,
            "metadata": self.metadata,
            "livemode": False,
        }

    def event(self, event_id: str, event_type: str, kind: Kind, at: float) -> StripeEvent:
        """As a webhook tells of it."""
        code = "payment_intent_canceled" if event_type.endswith("canceled") else self.error_code
        return StripeEvent(
            stripe_event_id=StripeEventId(event_id),
            type=event_type,
            kind=kind,
            livemode=False,
            account=None,
            object_id=self.intent_id,
            status=self.status,
            money=self.money,
            metadata_event_id=self.metadata["event_id"],
            metadata_env=self.metadata["env"],
            metadata_refund_id=None,
            shadow=False,
            idempotency_key=self.key,
            failure_code=code if kind is Kind.FAILED else None,
            object_kind="payment_intent",
            amount_cents=self.money.amount_cents,
            amount_received_cents=self.received,
            created_seconds=int(at),
        )


@dataclass(slots=True)
class StripeRefund:
    stripe_refund_id: str
    intent: Intent
    status: str
    amount: int
    refund_id: str
    created_at: float
    key: str | None
    failure_code: str | None = None

    def document(self) -> dict[str, Any]:
        return {
            "object": "refund",
            "id": self.stripe_refund_id,
            "status": self.status,
            "amount": self.amount,
            "currency": self.intent.money.currency,
            "payment_intent": self.intent.intent_id,
            "failure_reason": self.failure_code,
            "metadata": {"refund_id": self.refund_id, "env": ENVIRONMENT},
        }

    def event(self, event_id: str, event_type: str, at: float) -> StripeEvent:
        return StripeEvent(
            stripe_event_id=StripeEventId(event_id),
            type=event_type,
            kind=Kind.REFUND,
            livemode=False,
            account=None,
            object_id=self.stripe_refund_id,
            status=self.status,
            money=read_money(self.amount, self.intent.money.currency),
            metadata_event_id=None,
            metadata_env=ENVIRONMENT,
            metadata_refund_id=self.refund_id,
            shadow=False,
            idempotency_key=self.key,
            failure_code=self.failure_code,
            object_kind="refund",
            amount_cents=self.amount,
            of_intent=PaymentIntentId(self.intent.intent_id),
            created_seconds=int(at),
        )


@dataclass(frozen=True, slots=True)
class StripeRequest:
    """A POST that reached Stripe, for its journal."""

    key: str | None
    path: str
    body: str
    executed: bool
    object_id: str | None
