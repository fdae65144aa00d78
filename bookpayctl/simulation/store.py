"""A model of PostgreSQL: rows, unique constraints, transactions that commit, or do not, or say so.

A transaction is one step: nobody comes in between its reads and its writes, as nobody comes in
between those of the runtime, which locks each row before it decides. Its writes are staged, and a
commit has three ends (`World.commit`): it happened and was told, it happened and the word was lost,
or it never happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from runtime.domain.money import Money
from runtime.domain.names import OrderStatus, PaymentState, RefundState, ReservationState
from runtime.domain.payment_events import Payment
from runtime.domain.refund import Refund
from runtime.domain.stripe_event import StripeEvent


class UnavailableError(Exception):
    """The database gave no answer, or a broken one: whether it did what it was asked is open."""


@dataclass(frozen=True, slots=True)
class OrderRow:
    order_id: str
    event_id: str
    total: Money
    status: OrderStatus
    client_key: str
    payment_method: str
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class ReservationRow:
    order_id: str
    sku: str
    quantity: int
    state: ReservationState


@dataclass(frozen=True, slots=True)
class StockRow:
    sku: str
    unit_price_cents: int
    initial: int
    on_hand: int
    reserved: int = 0
    sold: int = 0


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An event as it was written.

    Attributes:
        extra: what only some events have, as pairs.
        occurred_at: environment clock; `created_at` is wall time.
    """

    event_id: str
    event_type: str
    order_id: str
    root: str
    money: Money
    created_at: float
    occurred_at: float
    extra: tuple[tuple[str, Any], ...] = ()
    published_at: float | None = None


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payments row; times are of the environment clock but for `updated_at`, which is wall."""

    event_id: str
    order_id: str
    money: Money
    payment_method: str | None
    payment: Payment
    created_at: float
    updated_at: float
    next_attempt_at: float
    started_attempts: int = 0
    first_attempted_at: float | None = None
    last_attempted_at: float | None = None
    lease_owner: str | None = None
    lease_incarnation: int = 0
    lease_token: int | None = None
    lease_until: float = 0.0


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A refunds row; clocks as of a payment."""

    refund_id: str
    event_id: str
    n: int
    idempotency_key: str
    payment_intent_id: str
    money: Money
    refund: Refund
    created_at: float
    updated_at: float
    next_attempt_at: float
    first_attempted_at: float | None = None
    last_attempted_at: float | None = None
    lease_owner: str | None = None
    lease_incarnation: int = 0
    lease_token: int | None = None
    lease_until: float = 0.0


@dataclass(frozen=True, slots=True)
class WebhookRow:
    event: StripeEvent
    received_at: float
    processed: bool = False


@dataclass(frozen=True, slots=True)
class EarlyRow:
    stripe_event_id: str
    parked_at: float
    next_attempt_at: float
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class StepRow:
    """A line of history of an order or a payment.

    Attributes:
        token: of the lease that a result was written under; None for every other cause.
    """

    subject: str
    kind: str
    before: str | None
    after: str
    cause: str
    at: float
    token: int | None = None


ORDERS: Final = "orders"
RESERVATIONS: Final = "reservations"
STOCK: Final = "inventory"
OUTBOX: Final = "outbox"
PAYMENTS: Final = "payments"
REFUNDS: Final = "refunds"
WEBHOOKS: Final = "stripe_events"
EARLY: Final = "webhook_parked"
CLIENT_KEYS: Final = "orders_client_key"
PAYMENT_OF_ORDER: Final = "payments_order_id"
PAYMENT_OF_INTENT: Final = "payments_payment_intent_id"
OUTCOMES: Final = "payment_events_outcome"
REFUNDS_OF: Final = "refunds_event_id"
TOLD_AGAIN: Final = "events_told_again"
QUARANTINE: Final = "webhook_quarantine"
DEAD_LETTERS: Final = "dead_letters"
TERMS: Final = "publisher_terms"

TABLES: Final = (ORDERS, RESERVATIONS, STOCK, OUTBOX, PAYMENTS, REFUNDS, WEBHOOKS, EARLY,
    CLIENT_KEYS, PAYMENT_OF_ORDER, PAYMENT_OF_INTENT, OUTCOMES, REFUNDS_OF, TOLD_AGAIN,
    QUARANTINE, DEAD_LETTERS, TERMS)  # fmt: skip

_FINAL: Final = frozenset({PaymentState.SUCCEEDED, PaymentState.FAILED, PaymentState.REFUNDED})
_REFUND_ENDED: Final = frozenset({RefundState.SUCCEEDED, RefundState.FAILED})


@dataclass(slots=True)
class Store:
    """What is durable.

    Attributes:
        unpublished, open_payments, open_refunds, early: what partial indexes hold.
        environment_offset: seconds that the environment clock is ahead of the wall.
        lock_holder: who has the publishers' advisory lock, and by which session.
    """

    tables: dict[str, dict[Any, Any]] = field(default_factory=lambda: {n: {} for n in TABLES})
    order_steps: list[StepRow] = field(default_factory=list)
    payment_steps: list[StepRow] = field(default_factory=list)
    unpublished: dict[str, None] = field(default_factory=dict)
    open_payments: dict[str, None] = field(default_factory=dict)
    open_refunds: dict[str, None] = field(default_factory=dict)
    pending_orders: dict[str, None] = field(default_factory=dict)
    environment_offset: float = 0.0
    lock_holder: tuple[str, int] | None = None

    def table(self, name: str) -> dict[Any, Any]:
        return self.tables[name]

    def apply(self, transaction: Transaction) -> None:
        """Make a transaction's writes durable."""
        for (name, key), row in transaction.writes.items():
            if row is None:
                self.tables[name].pop(key, None)
            else:
                self.tables[name][key] = row
            index = _INDEXED.get(name)
            if index is not None:
                kept: dict[str, None] = getattr(self, index)
                if row is not None and _is_open(name, row):
                    kept[key] = None
                else:
                    kept.pop(key, None)
        self.order_steps.extend(transaction.order_steps)
        self.payment_steps.extend(transaction.payment_steps)


_INDEXED: Final = {
    OUTBOX: "unpublished",
    PAYMENTS: "open_payments",
    REFUNDS: "open_refunds",
    ORDERS: "pending_orders",
}


def _is_open(name: str, row: Any) -> bool:
    match name:
        case "outbox":
            return row.published_at is None
        case "payments":
            return row.payment.state not in _FINAL
        case "refunds":
            return row.refund.state not in _REFUND_ENDED
        case _:
            return row.status is OrderStatus.PENDING


class Transaction:
    """Reads see what is durable and what this transaction has staged; writes are staged."""

    __slots__ = ("order_steps", "payment_steps", "store", "writes")

    def __init__(self, store: Store) -> None:
        self.store = store
        self.writes: dict[tuple[str, Any], Any] = {}
        self.order_steps: list[StepRow] = []
        self.payment_steps: list[StepRow] = []

    def get(self, table: str, key: Any) -> Any:
        """A row by its key, locked; None when there is none."""
        staged = (table, key)
        if staged in self.writes:
            return self.writes[staged]
        return self.store.tables[table].get(key)

    def put(self, table: str, key: Any, row: Any) -> None:
        """Write a row; None deletes it."""
        self.writes[table, key] = row

    def insert(self, table: str, key: Any, row: Any) -> bool:
        """Insert unless the key is taken: ON CONFLICT DO NOTHING."""
        if self.get(table, key) is not None:
            return False
        self.writes[table, key] = row
        return True
