"""What a mapping may say of each canonical table: its columns, and the words of their states. Pure.

A column is *required* where an answer without it would be false, and may be left out where what
rests on it is then not asked. In a required column NULL is told like a value that cannot be read.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.judge.ledgers.tables import UNREADABLE, tables
from runtime.domain.names import OrderStatus, PaymentState, RefundState, ReservationState

REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "orders": ("order_id", "amount", "currency", "status"),
    "order_steps": ("step_number", "order_id", "from_state", "to_state"),
    "outbox": ("event_id", "event_type", "order_id"),
    "payments": ("event_id", "order_id", "amount", "currency", "state"),
    "payment_steps": ("step_number", "event_id", "kind", "from_state", "to_state"),
    "refunds": ("refund_id", "event_id", "stripe_refund_id"),
    "outside_refunds": ("stripe_refund_id", "payment_intent_id", "amount"),
    "disputes": ("stripe_dispute_id", "payment_intent_id", "amount", "status"),
    "inventory": ("sku", "reserved", "sold"),
    "reservations": ("order_id", "sku", "quantity", "state"),
    "webhooks": ("stripe_event_id", "type", "object_id", "processed", "parked"),
    "dead_letters": ("dead_letter_id", "source", "reason", "resolved"),
    "calls": ("operation", "idempotency_key"),
    "letters": ("event_id",),
    "shadows": ("event_id", "v1_payment_intent_id"),
}
"""Every table that a mapping can give, and the columns that its SELECT must have."""

MAY_BE_NULL: Final = frozenset(
    {
        # The first step has no beginning, and not every refund has reached Stripe yet.
        ("order_steps", "from_state"),
        ("payment_steps", "from_state"),
        ("refunds", "stripe_refund_id"),
        # A request without a key is what I24 looks for.
        ("calls", "idempotency_key"),
        # A payment that only one of both sides knows.
        ("shadows", "event_id"),
        ("shadows", "v1_payment_intent_id"),
        ("webhooks", "object_id"),
    }
)
"""Required columns in which NULL is an answer."""

_ORDER_WORDS: Final = tuple(status.value for status in OrderStatus)
_PAYMENT_WORDS: Final = tuple(state.value for state in PaymentState)

WORDS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("orders", "status"): _ORDER_WORDS,
    ("order_steps", "from_state"): _ORDER_WORDS,
    ("order_steps", "to_state"): _ORDER_WORDS,
    ("payments", "state"): _PAYMENT_WORDS,
    ("payment_steps", "from_state"): _PAYMENT_WORDS,
    ("payment_steps", "to_state"): _PAYMENT_WORDS,
    ("payment_steps", "kind"): ("transition", "outcome", "refused"),
    ("refunds", "state"): tuple(state.value for state in RefundState),
    ("reservations", "state"): tuple(state.value for state in ReservationState),
}
"""Columns whose words are fixed; any other word is told by its name and never guessed."""

MONEY: Final = "amount"
CURRENCY: Final = "currency"


def columns_of(table_name: str) -> tuple[str, ...]:
    """The columns that a SELECT for this table may have; `unreadable` is the reader's own."""
    return tuple(name for name in tables()[table_name].names if name != UNREADABLE)
