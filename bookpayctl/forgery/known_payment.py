"""A payment the database knows, to speak of in an honest webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

from bookpayctl.clients.database import reading, rows_of
from bookpayctl.forgery.case import ForgedPayment
from bookpayctl.targets.environment import Environment

_FIND: Final[LiteralString] = """
    SELECT event_id::text AS event_id,
           coalesce(%(intent)s::text, payment_intent_id) AS payment_intent_id,
           amount_cents, currency, %(environment)s::text AS environment
    FROM payments
    WHERE CASE WHEN %(order)s::text IS NOT NULL THEN order_id = %(order)s
               ELSE payment_intent_id = %(intent)s END
"""


@dataclass(frozen=True, slots=True)
class KnownPayment:
    """A row of payments; `payment_intent_id` None while the worker has stored none."""

    event_id: str
    payment_intent_id: str | None
    amount_cents: int
    currency: str
    environment: str

    def as_told(self) -> ForgedPayment:
        """As Stripe would speak of it.

        Raises:
            LookupError: it has no PaymentIntent to speak of.
        """
        if self.payment_intent_id is None:
            raise LookupError(f"payment {self.event_id} has no PaymentIntent yet")
        return ForgedPayment(
            self.event_id,
            self.payment_intent_id,
            self.amount_cents,
            self.currency,
            self.environment,
        )


def find_payment(
    environment: Environment, *, order: str | None, payment_intent: str | None
) -> KnownPayment | None:
    """The payment of an order or, without one, of a PaymentIntent.

    With both it is the order's payment, as if it had that PaymentIntent.

    Raises:
        DatabaseError: the database did not answer.
    """
    values = {"order": order, "intent": payment_intent, "environment": environment.name}
    with reading(environment.dsn) as conn:
        found = rows_of(conn, KnownPayment, _FIND, values)
    return found[0] if found else None
